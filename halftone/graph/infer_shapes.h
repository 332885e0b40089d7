// Shape inference with symbolic dimensions.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// What is known of small integer values (shapes, axes) without running the graph, by name.
struct ShapeFacts {
  // Values known as a whole: fold_constants() puts them in place of their nodes.
  std::map<std::string, Tensor> values;
  // Element by element, where some may be unknown or symbolic.
  std::map<std::string, SymbolicShape> elements;
};

// Fills graph.value_types, node by node, from the inputs' types and the operators' inference; what
// a file declared stays where nothing better follows. Throws Error naming the node where its inputs
// cannot fit.
ShapeFacts infer_shapes(Graph& graph);

}  // namespace halftone
