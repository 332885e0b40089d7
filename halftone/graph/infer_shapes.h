// Shape inference with symbolic dimensions.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// Fills graph.value_types, node by node, from the inputs' types and the operators' inference; what a file declared stays
// where nothing better follows. Returns integer values that are known without running the graph (Shape of a tensor whose
// dimensions are known, and arithmetic on it), by name: fold_constants() puts them in place of their nodes.
// Throws Error naming the node where its inputs cannot fit.
std::map<std::string, Tensor> infer_shapes(Graph& graph);

}  // namespace halftone
