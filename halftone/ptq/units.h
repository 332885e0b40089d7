// The units of reconstruction: a network cut into parts that are learned one after another.
#pragma once

#include <vector>

#include "halftone/graph/subgraph.h"
#include "halftone/ptq/reconstruction.h"

namespace halftone {

// In topological order; together they hold every node that depends on the fed inputs. kBlock: the
// blocks of graph/blocks.h. kLayer: each weighted node with the activation that alone reads it, and
// every other node by itself. kNetwork: all of it.
std::vector<Region> units_of(const Graph& graph, Reconstruction::Unit unit);

// What `options` leaves open, from the network alone. Throws UsageError where the batch is no
// multiple of 4.
ReconstructionOptions with_defaults(ReconstructionOptions options, const Graph& graph);

}  // namespace halftone
