// Short names for what stands inside a file, and the way back.
#pragma once

#include <set>
#include <string>

#include "halftone/graph/graph.h"

namespace halftone {

// Renames every value but the graph's inputs and outputs to a few letters, drops the names of
// nodes, and writes the old names of `kept` values, deflated, into the metadata (halftone.names).
// Models with subgraphs are left as they are.
void shorten_names(Model& model, const std::set<std::string>& kept);

// Gives the kept names back and removes the metadata. Does nothing where there is none. Throws
// Error where it is damaged.
void restore_names(Model& model);

}  // namespace halftone
