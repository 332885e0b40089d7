// Neighbouring layers whose channels can be rescaled or shifted against each other: the first one's
// output, through at most one activation, is what the second one reads, and nobody else reads
// anything in between.
//
//   for (const LayerPair& pair : layer_pairs(graph)) ... graph.nodes[pair.first] ...
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

struct LayerPair {
  size_t first = 0;   // node: Conv or Gemm with a weight of its own (LayerWeight)
  size_t second = 0;  // likewise, with as many input channels as the first has output channels
  std::optional<size_t> activation = {};  // Relu, LeakyRelu, PRelu, or a Clip that starts at 0
  std::optional<double> limit = {};       // of a Clip: its upper end
};

// In the order of the graph. No pair across a value with several readers, an output of the graph,
// Add, Concat or any other operator. A layer whose weight or bias another node reads too is in no
// pair.
std::vector<LayerPair> layer_pairs(const Graph& graph);

}  // namespace halftone
