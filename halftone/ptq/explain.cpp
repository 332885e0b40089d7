#include "halftone/ptq/explain.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "halftone/nn/network_inputs.h"
#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"

namespace halftone {
namespace {

constexpr double kSpread = 8;    // a channel so many times wider than the median one
constexpr double kOutliers = 3;  // a range so many times wider than that of 99.9 % of the values
constexpr double kSaturated = 0.01;  // share of values beyond the range

std::string figure(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", value);
  return buffer;
}

// Largest magnitude of each slice of `axis`.
at::Tensor channel_magnitudes(const at::Tensor& value, int64_t axis) {
  return value.abs().transpose(0, axis).flatten(1).amax(1);
}

// Says so where one channel is far wider than most.
std::string spread_reason(const at::Tensor& magnitudes, const std::string& consequence) {
  if (magnitudes.numel() < 4) return "";
  const double median = magnitudes.median().item<double>(),
               widest = magnitudes.max().item<double>();
  if (median <= 0 || widest < kSpread * median) return "";
  return text("channel ", magnitudes.argmax().item<int64_t>(), " is ", figure(widest / median),
              " times as wide as the median channel", consequence);
}

std::string weight_reason(const at::Tensor& weight, const QuantTensor& quantized, int axis) {
  if (axis < 0) return "";
  const at::Tensor magnitudes = channel_magnitudes(weight, axis);
  const std::string spread = spread_reason(
      magnitudes, quantized.params.is_per_channel() ? "" : ", and one scale serves all");
  if (!spread.empty()) return spread;
  const int64_t dead = (magnitudes <= 1e-6 * magnitudes.max()).sum().item<int64_t>();
  return dead > 0
             ? text(dead, " of ", magnitudes.numel(), " channels are dead (weights of nearly 0)")
             : "";
}

std::string activation_reason(const at::Tensor& value, const QuantParams& params) {
  const at::Tensor flat = value.flatten();
  const double scale = params.scales[0];
  const double low = (params.range.qmin - params.zero_points[0]) * scale,
               high = (params.range.qmax - params.zero_points[0]) * scale;
  const double beyond =
      at::logical_or(flat<low - scale, flat> high + scale).to(at::kDouble).mean().item<double>();
  if (beyond > kSaturated)
    return text(figure(100 * beyond), " % of the values saturate: they lie beyond [", figure(low),
                ", ", figure(high), "]");
  if (value.dim() >= 2)
    if (const std::string reason =
            spread_reason(channel_magnitudes(value, 1), ", and one scale serves all");
        !reason.empty())
      return reason;
  const at::Tensor magnitude = flat.abs();
  const int64_t rank =
      std::max<int64_t>(1, static_cast<int64_t>(0.999 * static_cast<double>(magnitude.numel())));
  const double most = std::get<0>(magnitude.kthvalue(rank)).item<double>();
  const double widest = std::max(-low, high);
  if (most > 0 && widest > kOutliers * most)
    return text("outliers set the range: 99.9 % of the values lie within ", figure(most),
                ", the range goes to ", figure(widest));
  return "";
}

}  // namespace

std::vector<Culprit> explain(const QuantizedNetwork& quantized, const Dataset& data,
                             const std::vector<size_t>& samples, const LoadOptions& load,
                             const Run& run) {
  const auto& [graph, placement, sites, corrected] = quantized;
  const SiteEffects effects = one_site_effects(quantized, data, samples, load, run);
  const OneTorchThread one_thread;
  const c10::InferenceMode inference;
  const Network network(graph);
  NetworkRun how;
  for (const SiteEffect& effect : effects.sites)
    if (effect.kind == SiteKind::kActivation) how.capture.insert(effect.site);
  const std::vector<size_t> first(
      samples.begin(),
      samples.begin() + static_cast<int64_t>(std::min(samples.size(), load.batch)));
  const Batch batch = load_batch(data, first, load);
  const TensorMap values =
      batch.count ? network.run(network_inputs(network, batch), how) : TensorMap();

  std::vector<Culprit> culprits;
  for (const SiteEffect& effect : effects.sites) {
    const bool helps = effect.gain_if_float > 0 || effect.bits < 8;
    Culprit culprit{
        .effect = effect,
        .reason = {},
        .remedy = !helps ? "" : text("--fix '", effect.site, effect.bits < 8 ? "=8'" : "=float'")};
    if (effect.kind == SiteKind::kWeight) {
      const Site* site = placement.find(effect.site, SiteKind::kWeight);
      culprit.reason = weight_reason(to_torch(graph.initializers.at(effect.site)),
                                     sites.weights.at(effect.site), site->axis);
    } else if (values.contains(effect.site)) {
      culprit.reason = activation_reason(values.at(effect.site).to(at::kFloat),
                                         sites.activations.at(effect.site));
    }
    culprits.push_back(std::move(culprit));
  }
  return culprits;
}

}  // namespace halftone
