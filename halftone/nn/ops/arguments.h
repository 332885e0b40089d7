// How the LibTorch operators read axes and other integer arguments, as graph/ops/arguments.h does.
#pragma once

#include <optional>
#include <vector>

#include "halftone/graph/ops/arguments.h"
#include "halftone/nn/op.h"

namespace halftone {

// The attribute `axis`, counted from the front, of a tensor of `rank`. Throws Error out of range.
inline int64_t axis_of(const Node& node, int64_t fallback, int64_t rank) {
  return static_cast<int64_t>(normalized_axis(node.int_or("axis", fallback), rank));
}

// An argument in an input, or in an attribute of older or newer opsets; nullopt where not given.
inline std::optional<std::vector<int64_t>> ints_argument(const NnInputs& in, size_t input,
                                                         const char* attribute) {
  if (in.has(input)) return in.ints(input);
  if (!in.node.has(attribute)) return std::nullopt;
  return in.node.ints_or(attribute, {});
}

}  // namespace halftone
