// Which constants of a network are its parameters.
#pragma once

#include <map>
#include <string>

#include "halftone/graph/graph.h"

namespace halftone {

// Initializers that training moves, and whether each is a weight (which weight decay pulls to 0):
// what operators name as their weights, biases and factors. Other constants (bounds of a Clip,
// sizes) are no parameters.
std::map<std::string, bool> trainable(const Graph& graph);

}  // namespace halftone
