#include "halftone/ptq/start.h"

#include "halftone/export/prepare.h"
#include "halftone/export/weight_only.h"
#include "halftone/graph/passes/separate_skips.h"
#include "halftone/ptq/site_bits.h"
#include "halftone/ptq/site_params.h"

namespace halftone {
namespace {

// Parameters that the model has go before those found; what shares with an activation that has them
// takes them too.
void keep_activations(const QuantizedSites& present, const Placement& placement,
                      const Profile& profile, std::map<std::string, QuantParams>& activations) {
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation && present.activations.contains(site.shares_with))
      activations[site.name] =
          stored_in(profile, present.activations.at(site.shares_with), site.name);
  for (const auto& [name, params] : present.activations)
    activations[name] = stored_in(profile, params, name);
}

// Of the separable values those that a layer reads in fewer bits than the Add would. The others'
// skips leave `specs`.
std::set<std::string> narrow_skips(const Dequantized& parts, const Profile& profile,
                                   const Placement& placement,
                                   std::map<std::string, QuantSpec>& specs) {
  std::set<std::string> narrow;
  for (const std::string& value : separable_skips(parts.model.graph, placement, profile)) {
    const auto skip = specs.find(skip_name(value));
    if (skip == specs.end()) continue;
    const int bits = specs.at(value).bits;
    if (bits < 8 && bits < skip->second.bits && !parts.sites.contains(value))
      narrow.insert(value);
    else
      specs.erase(skip);
  }
  return narrow;
}

}  // namespace

Dequantized start_of(const Model& source, const QuantizeOptions& options) {
  const Model model = prepare(source);
  if (options.requantize) {
    Dequantized parts = dequantize(float_model(model));
    join_skips(parts.model.graph);
    return parts;
  }
  Dequantized parts = dequantize(model);
  if (parts.quantization() == Quantization::kFully)
    throw Error(
        "the model is quantized already; give --requantize to start from its dequantized values, "
        "or --keep-quantization "
        "to write the same numbers for another target");
  return parts;
}

Placement settled_placement(Dequantized& parts, const Profile& profile,
                            const QuantizeOptions& options,
                            std::map<std::string, QuantSpec>& specs) {
  Graph& graph = parts.model.graph;
  std::set<std::string> floats;  // by their spec
  auto placed = [&] {
    std::set<std::string> keep_float = parts.float_sites();
    keep_float.insert(floats.begin(), floats.end());
    Placement placement = place(graph, profile, keep_float);
    if (options.activations == 32) place_float_weights(graph, profile, floats, placement);
    return placement;
  };
  Placement placement = placed();
  specs = site_specs(graph, placement, profile, options);
  auto settle = [&](const std::string& site, int bits) {
    if (const auto found = specs.find(site); found != specs.end()) (found->second = {}).bits = bits;
  };
  for (const auto& [name, params] : parts.sites.activations) settle(name, params.bits);
  for (const auto& [name, weight] : parts.sites.weights) settle(name, weight.params.bits);
  const std::set<std::string> narrow = narrow_skips(parts, profile, placement, specs);
  if (!narrow.empty()) {
    separate_skips(graph, narrow);
    placement = placed();
  }
  auto has_more_floats = [&] {
    const size_t before = floats.size();
    for (const auto& [site, spec] : specs)
      if (spec.is_float()) floats.insert(site);
    return floats.size() > before;
  };
  while (has_more_floats()) {
    placement = placed();
    // What was the inside of an integer operator may have become a site.
    for (const Site& site : placement.sites)
      if (site.kind != SiteKind::kBias) specs.try_emplace(site.name, default_spec(site, options));
  }
  require_float_readers(graph, placement, specs);
  return placement;
}

void require_finite_weights(const Graph& graph) {
  for (const auto& [name, tensor] : graph.initializers)
    if (tensor.dtype() == DType::kFloat) require_finite(tensor.to_vector<float>(), name);
}

QuantizedSites first_sites(const Dequantized& parts, const Placement& placement,
                           const Calibration& calibration,
                           const std::map<std::string, QuantSpec>& specs, const Profile& profile,
                           const PtqMethod& method, bool full_range, int threads) {
  QuantizedSites sites;
  sites.activations = activation_params(placement, calibration, specs, profile, threads);
  keep_activations(parts.sites, placement, profile, sites.activations);
  sites.weights = quantize_weights(parts.model.graph, placement, sites.activations, specs, profile,
                                   method, full_range);
  for (const auto& [name, weight] : parts.sites.weights)
    sites.weights.insert_or_assign(name, weight);
  sites.biases = parts.sites.biases;
  return sites;
}

}  // namespace halftone
