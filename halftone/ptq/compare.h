// The quantized network against the float one, on the same samples.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/nn/network.h"
#include "halftone/quant/energies.h"

namespace halftone {

struct Comparison {
  std::vector<std::vector<float>>
      outputs;  // the quantized network's first output for each sample, in their order
  std::map<std::string, Energies> sites;  // of values by name
};

// Runs the quantized network over `samples`; over the first `site_samples` of them (rounded up to
// whole batches) the original one too, and compares the values that both name. quantized_names: the
// quantized network's name of each value to be compared. Does not depend on run.threads.
Comparison compare_networks(const Network& original, const Network& quantized,
                            const std::map<std::string, std::string>& quantized_names,
                            const Dataset& data, const std::vector<size_t>& samples,
                            size_t site_samples, const LoadOptions& how, const Run& run);

// Samples that could be read, and a network's first output for each.
struct Reference {
  const Dataset& data;  // not owned
  std::vector<size_t> samples;
  std::vector<std::vector<float>> outputs;  // as many
};
// Samples that cannot be read are left out where `how` skips them, with a warning.
Reference outputs_of(const Network& network, const Dataset& data,
                     const std::vector<size_t>& samples, const LoadOptions& how, const Run& run);

}  // namespace halftone
