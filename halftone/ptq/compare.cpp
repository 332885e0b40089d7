#include "halftone/ptq/compare.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"
#include "halftone/nn/tensors.h"
#include "halftone/ptq/calibrate.h"

namespace halftone {
namespace {

Energies energies_of(const at::Tensor& x, const at::Tensor& y) {
  at::Tensor original = dense(x.to(at::kFloat)), other = dense(y.to(at::kFloat));
  if (original.strides() != other.strides())
    original = original.contiguous(), other = other.contiguous();
  auto values = [](const at::Tensor& tensor) {
    return std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()));
  };
  Energies energies;
  energies.add(values(original), values(other));
  return energies;
}

}  // namespace

Comparison compare_networks(const Network& original, const Network& quantized,
                            const std::map<std::string, std::string>& quantized_names,
                            const Dataset& data, const std::vector<size_t>& samples,
                            size_t site_samples, const LoadOptions& how, const Run& run) {
  NetworkRun capture;
  std::map<std::string, std::string> original_names;
  for (const auto& [name, other] : quantized_names) {
    capture.capture.insert(name);
    original_names[other] = name;
  }
  const std::string output = quantized.graph().outputs.at(0).name;

  auto compute = [&](size_t b, const Batch& batch) {
    Comparison found;
    if (batch.count == 0) return found;
    const TensorMap inputs = network_inputs(original, batch);
    TensorMap ours;
    if (b * how.batch < site_samples) ours = original.run(inputs, capture);
    // Each value is compared as it comes: two networks' values at once would be most of the memory.
    auto compare = [&](const std::string& name, const at::Tensor& theirs) {
      const auto known = original_names.find(name);
      if (ours.empty() || known == original_names.end()) return;
      found.sites[known->second] = energies_of(ours.at(known->second), theirs);
    };
    const TensorMap outputs = quantized.run(inputs, {.observe = compare});
    found.outputs = real_rows(outputs.at(output), batch, how.batch);
    return found;
  };

  Comparison total;
  over_batches<Comparison>(data, samples, how, run, "checking the quantized network", compute,
                           [&](Comparison found) {
                             std::ranges::move(found.outputs, std::back_inserter(total.outputs));
                             for (const auto& [name, energies] : found.sites)
                               total.sites[name] += energies;
                           });
  return total;
}

Reference outputs_of(const Network& network, const Dataset& data,
                     const std::vector<size_t>& samples, const LoadOptions& how, const Run& run) {
  struct Found {
    std::vector<std::vector<float>> outputs;
    std::vector<size_t> samples;
    std::vector<std::string> broken;
  };
  const std::string output = network.graph().outputs.at(0).name;
  auto compute = [&](size_t, const Batch& batch) {
    Found found{{}, batch.indices, batch.broken};
    if (batch.count == 0) return found;
    const TensorMap outputs = network.run(network_inputs(network, batch));
    found.outputs = real_rows(outputs.at(output), batch, how.batch);
    return found;
  };
  Reference result{data, {}, {}};
  std::vector<std::string> broken;
  over_batches<Found>(data, samples, how, run, "running the float network", compute,
                      [&](Found found) {
                        std::ranges::move(found.outputs, std::back_inserter(result.outputs));
                        std::ranges::move(found.samples, std::back_inserter(result.samples));
                        std::ranges::move(found.broken, std::back_inserter(broken));
                      });
  report_broken(broken, samples.size(), run);
  return result;
}

}  // namespace halftone
