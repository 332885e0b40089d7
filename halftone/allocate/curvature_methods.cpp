#include <algorithm>

#include "halftone/allocate/trials.h"
#include "halftone/data/evaluate.h"
#include "halftone/sensitivity/curvature.h"

namespace halftone {
namespace {

constexpr size_t kSamples = 128;
constexpr int kProbes = 4;  // of Hutchinson's estimator, a batch

// Half of noise times trace, summed over a site's tensors. The curvature of a trained network is
// positive but for the noise of its estimate.
Sensitivities weighed(const MethodInput& input, const Network& network,
                      const std::map<std::string, double>& traces) {
  const NoiseTable noise = noise_of(input, network, trials_of(input, network));
  Sensitivities result;
  for (const AllocationSite& site : input.sites.sites) {
    if (site.is_fixed()) continue;
    SiteSensitivity& entry = result[site.name];
    const bool is_weight = site.kind == SiteKind::kWeight;
    for (const std::string& name : is_weight ? std::vector{site.name} : site.sharing) {
      const double trace = std::max(traces.at(name), 0.0);
      entry.sensitivity += trace;
      for (int width : site.widths) entry.losses[width] += trace * noise.at(name).at(width) / 2;
    }
  }
  return result;
}

CurvatureInput curvature_input(const MethodInput& input, const Network& network) {
  CurvatureInput result{network,
                        {},
                        {},
                        *input.data,
                        evenly_spread(all_samples(*input.data), kSamples),
                        {.batch = batch_size_for(input.graph), .skip_broken = input.skip_broken}};
  for (const AllocationSite& site : input.sites.sites) {
    if (site.is_fixed()) continue;
    if (site.kind == SiteKind::kWeight) result.weights.insert(site.name);
    result.activations.insert(site.sharing.begin(), site.sharing.end());
  }
  return result;
}

Sensitivities by_fisher(const MethodInput& input) {
  const Network network(input.graph);
  return weighed(input, network, fisher_traces(curvature_input(input, network), input.run));
}

Sensitivities by_hessian(const MethodInput& input) {
  const Network network(input.graph);
  return weighed(input, network,
                 hessian_traces(curvature_input(input, network), kProbes, input.run));
}

HALFTONE_REGISTER(AllocationMethod, "fisher",
                  "Squared gradients (Fisher information) times the quantization noise",
                  "Peters et al. 2023 (QBitOpt), arXiv 2307.04535", "exact", true, true, by_fisher);
HALFTONE_REGISTER(
    AllocationMethod, "hessian",
    "Trace of the loss' Hessian times the quantization noise of weights; needs labels",
    "Dong et al. 2020 (HAWQ-V2), arXiv 1911.03852", "exact", true, false, by_hessian);

}  // namespace
}  // namespace halftone
