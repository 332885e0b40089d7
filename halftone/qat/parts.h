// A network cut at single values into parts that run one after the other.
#pragma once

#include <string>
#include <vector>

#include "halftone/graph/graph.h"
#include "halftone/nn/network.h"

namespace halftone {

struct Part {
  Network network;     // one input, one output
  std::string input;   // a cut, or the graph's input
  std::string output;  // a cut, or the graph's output
};

// blocks "residual": every block of graph/blocks.h is a part. "stage": blocks are joined up to
// where the spatial size falls; the stem belongs to the first part, pooling and classifier to the
// last. Throws UsageError for another word, Error where the graph has more than one input or
// output.
std::vector<Part> cut_into_parts(const Graph& graph, const std::string& blocks);

// The cuts between parts, in order.
std::vector<std::string> cuts_of(const std::vector<Part>& parts);

// The network's values at the end of every part, without gradient, in evaluation mode.
std::vector<at::Tensor> features_of(const std::vector<Part>& parts, const at::Tensor& input);

}  // namespace halftone
