// A value that a layer and a residual Add both read, taken in two, so that the Add may read more
// bits than the layer does.
//
//   Add -> sum -> Conv, Add     becomes     Add -> sum_skip -> Add
//                                                  sum_skip -> Clip -> sum -> Conv
//
//   separate_skips(graph, {"sum"});
//   join_skips(graph);                // the way back
#pragma once

#include <set>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// By node: whether it is an Add, or moves or pads and is read by such nodes alone, as what stands in
// a shortcut between two shapes.
std::vector<bool> leads_to_adds(const Graph& graph);

// The name of what the Adds read.
std::string skip_name(const std::string& value);

// values: made by nodes, no outputs of the graph, and their skip_name() is free. What leads to Adds
// reads the skip, all others what they read before. The function stays the same: the Clip has no
// bounds and is there to give a second quantizer a value to stand on. It lies before the first that
// reads it, which is the same place whether BatchNormalization is folded or not. Keeps nodes sorted
// and types known.
void separate_skips(Graph& graph, const std::set<std::string>& values);

// Whether the node is such a Clip.
bool is_skip_copy(const Node& node);

// The values that are separated.
std::set<std::string> separated_skips(const Graph& graph);

// Makes one value again of each that was separated.
void join_skips(Graph& graph);

}  // namespace halftone
