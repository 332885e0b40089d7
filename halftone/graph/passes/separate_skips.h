// A sum that a layer and the next residual Add both read, taken in two, so that the Add may read
// more bits than the layer does.
//
//   Add -> sum -> Conv, Add     becomes     Add -> sum_skip -> Add
//                                                  sum_skip -> Clip -> sum -> Conv
//
//   separate_skips(graph, [](const std::string& sum) { return bits_of(sum) < 8; });
#pragma once

#include <functional>
#include <string>

#include "halftone/graph/graph.h"

namespace halftone {

// Separates each value that a node makes, that an Add and a Conv, Gemm or MatMul read, that is no
// output of the graph, and that is chosen. The layers go on reading it under its name; what its
// maker gives, and all others read, is called `_skip` behind that name. The function stays the same:
// the Clip has no bounds and is there to give a second quantizer a value to stand on. Keeps nodes
// sorted and types known.
void separate_skips(Graph& graph, const std::function<bool(const std::string&)>& is_chosen);

std::string skip_name(const std::string& value);

// Whether the node is such a Clip.
bool is_skip_copy(const Node& node);

}  // namespace halftone
