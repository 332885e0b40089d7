// The quantized network against the float one, on the same samples.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/nn/network.h"

namespace halftone {

// Signal and noise of one tensor, summed over samples.
struct Energies {
  double signal = 0;  // sum of squares of the float value
  double noise = 0;   // sum of squares of the difference
};

// Runs both networks over `samples` and compares the values that both name. quantized_names: the quantized network's name of each
// float value to be compared.
std::map<std::string, Energies> compare_values(const Network& original, const Network& quantized,
                                               const std::map<std::string, std::string>& quantized_names,
                                               const Dataset& data, const std::vector<size_t>& samples,
                                               const LoadOptions& how, const Run& run);

// The first output of each of `samples`, in order.
std::vector<std::vector<float>> first_outputs(const Network& network, const Dataset& data,
                                              const std::vector<size_t>& samples, const LoadOptions& how,
                                              const Run& run, const std::string& progress);

}  // namespace halftone
