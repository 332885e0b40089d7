#include "halftone/ptq/site_params.h"

#include <algorithm>
#include <cmath>

#include "halftone/base/ordered_parallel.h"
#include "halftone/export/weight_only.h"
#include "halftone/quant/range_params.h"

namespace halftone {
namespace {

Range widened(const Range& a, const Range& b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

Range wanted_range(const Site& site, const QuantSpec& spec, const Calibration& calibration,
                   bool is_symmetric) {
  if (site.fixed_range) return *site.fixed_range;
  if (spec.range_min && spec.range_max) return {*spec.range_min, *spec.range_max};
  const auto found = calibration.observers.find(site.name);
  if (found == calibration.observers.end())
    throw Error("site '", site.name, "': calibration did not reach it");
  try {
    return found->second->range({.bits = spec.bits, .is_symmetric = is_symmetric});
  } catch (const Error& error) {
    throw Error("site '", site.name, "': ", error.what());
  }
}

QuantParams params_of(const Site& site, Range range, int bits, const Profile& profile) {
  const CodeRange codes = activation_codes(profile, bits);
  if (profile.activation_type == DType::kInt8)
    return range_params(range.low, range.high, bits, codes, true);
  if (site.is_non_negative) range.low = 0;
  if (site.upper_limit) range.high = std::min(range.high, *site.upper_limit);
  QuantParams params = affine_params(range.low, range.high, bits, codes);
  // Q clips at least as hard as the Clip before it, also after rounding: else onnxruntime keeps the
  // Clip, in float.
  if (site.upper_limit)
    params.scales[0] = std::min(params.scales[0], largest_scale(*site.upper_limit, codes));
  return params;
}

// The grid of a weight site without its scales.
QuantParams grid_of(const Site& site, const QuantSpec& spec, const Profile& profile,
                    bool full_range) {
  auto width = [&](int bits) {
    const bool is_affine = spec.scheme == Scheme::kAffine;
    return Width{bits, site.is_weight_only ? float_weight_codes(bits, is_affine)
                                           : weight_codes(profile, bits, full_range)};
  };
  QuantParams grid{
      {}, {}, spec.per_channel.value_or(true) ? site.axis : -1, spec.bits, width(spec.bits).range};
  if (site.is_weight_only && site.narrow_obstacle.empty() && spec.group.value_or(0)) {
    grid.axis = 1 - site.axis;  // of a matrix: that of the input channels
    grid.block_size = *spec.group;
  }
  std::vector<Width> widths;
  for (int bits : spec.channel_bits) widths.push_back(width(bits));
  if (!widths.empty()) set_channel_widths(grid, std::move(widths));
  return grid;
}

}  // namespace

int64_t products_of(const Tensor& weight, int axis) {
  const int64_t channels = axis < 0 ? 1 : weight.shape()[static_cast<size_t>(axis)];
  return std::max<int64_t>(1, weight.count() / std::max<int64_t>(1, channels));
}

std::map<std::string, QuantParams> activation_params(const Placement& placement,
                                                     const Calibration& calibration,
                                                     const std::map<std::string, QuantSpec>& specs,
                                                     const Profile& profile, int threads) {
  std::vector<const Site*> sites;
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation) sites.push_back(&site);
  const bool is_symmetric = profile.activation_type == DType::kInt8;

  std::map<std::string, Range> ranges;  // by the site that owns the parameters
  ordered_parallel<std::optional<Range>>(
      sites.size(), threads,
      [&](size_t i) -> std::optional<Range> {
        // What moves codes holds no value that its source does not hold; only a Concat's parts
        // widen each other.
        const Site& site = *sites[i];
        const Site* owner = placement.find(site.shares_with, SiteKind::kActivation);
        const bool is_part = owner && owner != &site && !profile.shares_concat;
        if (is_part) return std::nullopt;
        return wanted_range(site, specs.at(site.name), calibration, is_symmetric);
      },
      [&](size_t i, std::optional<Range> range) {
        if (!range) return;
        const auto [found, is_new] = ranges.emplace(sites[i]->shares_with, *range);
        if (!is_new) found->second = widened(found->second, *range);
      });

  std::map<std::string, QuantParams> result;
  for (const Site* site : sites) {
    const Site* owner = placement.find(site->shares_with, SiteKind::kActivation);
    result[site->name] =
        params_of(*owner, ranges.at(site->shares_with), specs.at(owner->name).bits, profile);
  }
  return result;
}

std::map<std::string, QuantTensor> quantize_weights(
    const Graph& graph, const Placement& placement,
    const std::map<std::string, QuantParams>& activations,
    const std::map<std::string, QuantSpec>& specs, const Profile& profile, const PtqMethod& method,
    bool full_range) {
  std::map<std::string, QuantTensor> result;
  for (const Site& site : placement.sites) {
    if (site.kind != SiteKind::kWeight) continue;
    const Tensor& weight = graph.initializers.at(site.name);
    const QuantSpec& spec = specs.at(site.name);
    const Node& node = graph.nodes[static_cast<size_t>(site.node)];
    const WeightRule rule{.at_8_bits = method.weights_at_8_bits,
                          .below = method.weights_below,
                          .is_affine = spec.scheme == Scheme::kAffine};
    QuantParams params = fitted(grid_of(site, spec, profile, full_range), weight, rule, site.name);
    const auto input = activations.find(node.inputs[0]);
    const Tensor* bias = graph.constant(node.input(2));
    if (input != activations.end() && bias)
      fit_bias(params, bias->to_vector<float>(), input->second, products_of(weight, site.axis));
    result.emplace(site.name, quantize_tensor(weight, params, site.name));
  }
  return result;
}

}  // namespace halftone
