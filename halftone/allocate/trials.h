// The network as it would be quantized at each width: what methods measure widths by.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "halftone/allocate/method.h"
#include "halftone/data/loader.h"
#include "halftone/export/qdq.h"
#include "halftone/nn/network.h"

namespace halftone {

// Every site at `width`, or at the nearest that it may take, rounded to nearest with scales of
// least squared error.
struct Trial {
  int width = 8;
  std::set<std::string> sites;  // free ones that may take this width
  QuantizedSites quantized;
};

struct Trials {
  std::vector<Trial> by_width;  // ascending, every width that a free site may take
  std::vector<size_t> samples;  // those that could be read
  LoadOptions load;
};

// network: of input.graph. Ranges of activations come from one pass over the data.
Trials trials_of(const MethodInput& input, const Network& network);

// Mean squared quantization error of an element, by tensor (of weights, and of activations with all
// that share a scale) and width.
using NoiseTable = std::map<std::string, std::map<int, double>>;
NoiseTable noise_of(const MethodInput& input, const Network& network, const Trials& trials);

// Of two lists of one size; 0 of none.
double mean_squared_error(const std::vector<float>& exact, const std::vector<float>& other);

}  // namespace halftone
