// Subgraphs (of If, Loop, Scan), which a Graph carries as serialised attributes.
#pragma once

#include <string>

#include "halftone/graph/graph.h"

namespace halftone {

// The subgraph in a node's attribute. Values that it takes from outside are named by
// node.captures(). Throws Error naming the node where there is no such attribute or it is broken.
Graph subgraph_of(const Node& node, const std::string& attribute);

// Puts `graph` in its place. Throws Error as subgraph_of().
void set_subgraph(Node& node, const std::string& attribute, const Graph& graph);

}  // namespace halftone
