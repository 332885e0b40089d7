#include "halftone/allocate/trials.h"
#include "halftone/sensitivity/one_site.h"

namespace halftone {
namespace {

// Each free site alone at each of its widths, in passes that all sites share.
Sensitivities measured(const MethodInput& input, double SiteEffect::*loss) {
  const Network network(input.graph);
  const Trials trials = trials_of(input, network);
  Sensitivities result;
  for (const Trial& trial : trials.by_width) {
    const auto effects = one_site_effects(
        {input.graph, input.placement, trial.quantized, input.graph}, *input.data, trials.samples,
        trials.load, input.run, {.gain_if_float = false, .only = trial.sites});
    for (const SiteEffect& effect : effects.sites)
      result[effect.site].losses[trial.width] = effect.*loss;
  }
  for (auto& [name, site] : result)
    site.sensitivity = site.losses.begin()->second;  // at the least width
  return result;
}

Sensitivities by_divergence(const MethodInput& input) {
  return measured(input, &SiteEffect::divergence_alone);
}
Sensitivities by_noise(const MethodInput& input) {
  return measured(input, &SiteEffect::loss_alone);
}

HALFTONE_REGISTER(AllocationMethod, "kl",
                  "KL divergence of the outputs with one site quantized, measured at every width",
                  "", "exact", true, true, by_divergence);
HALFTONE_REGISTER(
    AllocationMethod, "sqnr",
    "Noise over signal of the outputs with one site quantized, measured at every width", "",
    "exact", true, true, by_noise);

}  // namespace
}  // namespace halftone
