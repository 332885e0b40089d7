#include "halftone/allocate/trials.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/data/evaluate.h"
#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/site_params.h"
#include "halftone/quant/energies.h"

namespace halftone {
namespace {

std::map<std::string, QuantSpec> specs_at(const MethodInput& input, int width) {
  std::map<std::string, QuantSpec> specs;
  for (const AllocationSite& site : input.sites.sites) {
    const int bits = *std::ranges::min_element(site.widths, {},
                                               [&](int other) { return std::abs(other - width); });
    specs[site.name].bits = bits;
    for (const std::string& name : site.sharing) specs[name].bits = bits;
  }
  return specs;
}

std::set<int> free_widths(const AllocationSites& sites) {
  std::set<int> widths;
  for (const AllocationSite& site : sites.sites)
    if (!site.is_fixed()) widths.insert(site.widths.begin(), site.widths.end());
  return widths;
}

// The activations that may take a trial's width, with all that share their scale.
std::vector<std::set<std::string>> activations_of(const MethodInput& input, const Trials& trials) {
  std::vector<std::set<std::string>> result;
  for (const Trial& trial : trials.by_width) {
    result.emplace_back();
    for (const AllocationSite& site : input.sites.sites)
      if (trial.sites.contains(site.name))
        result.back().insert(site.sharing.begin(), site.sharing.end());
  }
  return result;
}

void add_activations(const MethodInput& input, const Network& network, const Trials& trials,
                     NoiseTable& noise) {
  const auto names = activations_of(input, trials);
  std::set<std::string> capture;
  for (const auto& of_width : names) capture.insert(of_width.begin(), of_width.end());
  if (capture.empty()) return;
  struct Part {
    NoiseTable sums;
    size_t samples = 0;
  };
  size_t samples = 0;
  over_batches<Part>(
      *input.data, trials.samples, trials.load, input.run, "noise of activations",
      [&](size_t, const Batch& batch) {
        Part part{{}, batch.count};
        if (batch.count == 0) return part;
        const TensorMap fed = network_inputs(network, batch);
        TensorMap values = network.run(fed, {.capture = capture});
        values.insert(fed.begin(), fed.end());
        for (size_t k = 0; k < names.size(); ++k)
          for (const std::string& name : names[k]) {
            const at::Tensor x = real_values(values.at(name), batch, trials.load.batch);
            const at::Tensor error =
                fake_quantize(x, trials.by_width[k].quantized.activations.at(name)) - x;
            part.sums[name][trials.by_width[k].width] =
                error.square().mean(at::kDouble).item<double>() * static_cast<double>(batch.count);
          }
        return part;
      },
      [&](const Part& part) {
        for (const auto& [name, widths] : part.sums)
          for (const auto& [width, sum] : widths) noise[name][width] += sum;
        samples += part.samples;
      });
  for (const std::string& name : capture)
    for (auto& [width, sum] : noise[name]) sum /= static_cast<double>(std::max<size_t>(samples, 1));
}

}  // namespace

double mean_squared_error(const std::vector<float>& exact, const std::vector<float>& other) {
  if (exact.empty()) return 0;
  Energies energies;
  energies.add(exact, other);
  return energies.noise / static_cast<double>(exact.size());
}

Trials trials_of(const MethodInput& input, const Network& network) {
  const auto& method = Registry<PtqMethod>::get("mse");
  Trials trials{{}, {}, {.batch = batch_size_for(input.graph), .skip_broken = input.skip_broken}};
  Calibration calibration =
      calibrate(network, input.placement, method.observer, *input.data, trials.load, input.run);
  trials.samples = calibration.samples;
  for (const int width : free_widths(input.sites)) {
    Trial trial{width, {}, {}};
    for (const AllocationSite& site : input.sites.sites)
      if (!site.is_fixed() && std::ranges::find(site.widths, width) != site.widths.end())
        trial.sites.insert(site.name);
    const auto specs = specs_at(input, width);
    trial.quantized.activations =
        activation_params(input.placement, calibration, specs, input.profile, input.run.threads);
    trial.quantized.weights =
        quantize_weights(input.graph, input.placement, trial.quantized.activations, specs,
                         input.profile, method, false);
    trials.by_width.push_back(std::move(trial));
  }
  return trials;
}

NoiseTable noise_of(const MethodInput& input, const Network& network, const Trials& trials) {
  NoiseTable noise;
  for (const Trial& trial : trials.by_width)
    for (const auto& [name, weight] : trial.quantized.weights)
      if (trial.sites.contains(name))
        noise[name][trial.width] =
            mean_squared_error(input.graph.initializers.at(name).to_vector<float>(),
                               dequantize_tensor(weight).to_vector<float>());
  add_activations(input, network, trials, noise);
  return noise;
}

}  // namespace halftone
