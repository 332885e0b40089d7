// The canonical form but for BatchNormalization, which training wants as it is.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// canonicalize() without fold_batch_norm(): folding what comes of it gives the canonical graph,
// with the same names.
void canonicalize_keeping_batch_norm(Graph& graph);

}  // namespace halftone
