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

}  // namespace

void separate_narrow_skips(Graph& graph, const QuantizedSites& present,
                           const QuantizeOptions& options) {
  if (options.shares_skips) return;
  separate_skips(graph, [&](const std::string& value) {
    const int bits = told_bits(value, options).value_or(options.activations);
    return !present.contains(value) && bits < told_bits(skip_name(value), options).value_or(8);
  });
}

Dequantized start_of(const Model& source, const QuantizeOptions& options) {
  const Model model = prepare(source);
  Dequantized parts = dequantize(options.requantize ? float_model(model) : model);
  if (parts.quantization() == Quantization::kFully)
    throw Error(
        "the model is quantized already; give --requantize to start from its dequantized values, "
        "or --keep-quantization "
        "to write the same numbers for another target");
  separate_narrow_skips(parts.model.graph, parts.sites, options);
  return parts;
}

Placement settled_placement(const Dequantized& parts, const Profile& profile,
                            const QuantizeOptions& options,
                            std::map<std::string, QuantSpec>& specs) {
  const Graph& graph = parts.model.graph;
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
