// A part of a graph as a graph of its own.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// Some nodes of a graph and the values that cross their border.
struct Region {
  std::string name;
  std::vector<int> nodes;           // indices into graph.nodes, increasing
  std::vector<std::string> inputs;  // computed or fed values that the nodes read and do not make,
                                    // in order of first reading
  std::vector<std::string>
      outputs;  // values that others read or the graph gives, in order of making
};

// Fills inputs and outputs for `nodes`. Values that do not depend on the graph's fed inputs are not
// inputs: subgraph() takes along what makes them.
Region region_of(const Graph& graph, std::string name, std::vector<int> nodes);

// The region's nodes with the constants that they read, and the nodes that compute values which no
// fed input reaches. Inputs and outputs are the region's.
Graph subgraph(const Graph& graph, const Region& region);

// Values that depend on a fed input, the fed inputs among them.
std::set<std::string> fed_values(const Graph& graph);

}  // namespace halftone
