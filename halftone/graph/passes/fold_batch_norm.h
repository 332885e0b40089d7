// Which layer a BatchNormalization is folded into.
#pragma once

#include <cstdint>
#include <optional>

#include "halftone/graph/graph.h"
#include "halftone/graph/links.h"

namespace halftone {

struct FoldTarget {
  int layer = -1;    // node: a Conv, ConvTranspose or Gemm that the normalization alone reads
  int64_t axis = 0;  // of its weight's output channels
};

// What fold_batch_norm() would multiply `bn` into; nullopt where it stays: other operators before
// it, several readers, constants that are computed or do not fit.
std::optional<FoldTarget> fold_target(const Graph& graph, const Node& bn, const Links& links);

}  // namespace halftone
