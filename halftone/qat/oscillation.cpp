#include "halftone/qat/oscillation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "halftone/nn/quantizers/sign.h"

namespace halftone {

OscillationTracker::OscillationTracker(const at::Tensor& codes, double momentum)
    : momentum_(momentum),
      codes_(codes.clone()),
      direction_(at::zeros_like(codes)),
      frequency_(at::zeros_like(codes)),
      mean_(codes.clone()),
      oscillates_(at::zeros_like(codes)),
      is_frozen_(at::zeros_like(codes)),
      frozen_codes_(codes.clone()) {}

void OscillationTracker::add(const at::Tensor& codes) {
  const at::NoGradGuard no_gradient;
  const at::Tensor delta = (codes_ - codes).sign();
  const at::Tensor changed = (delta != 0).to(at::kFloat);
  oscillates_ = changed * (delta == -direction_).to(at::kFloat);
  frequency_.mul_(1 - momentum_).add_(oscillates_, momentum_);
  mean_.mul_(1 - momentum_).add_(codes, momentum_);
  direction_ = at::where(delta != 0, delta, direction_);
  codes_ = codes.clone();
}

void OscillationTracker::freeze_above(double threshold) {
  const at::NoGradGuard no_gradient;
  const at::Tensor is_new = at::logical_and(frequency_ > threshold, is_frozen_ == 0);
  frozen_codes_ = at::where(is_new, mean_.round(), frozen_codes_);
  is_frozen_ = at::logical_or(is_frozen_ > 0, is_new).to(at::kFloat);
}

TensorMap OscillationTracker::state() const {
  return {{"codes", codes_}, {"direction", direction_}, {"frequency", frequency_},
          {"mean", mean_},   {"is_frozen", is_frozen_}, {"frozen_codes", frozen_codes_}};
}

void OscillationTracker::restore(const TensorMap& state) {
  codes_ = state.at("codes").clone();
  direction_ = state.at("direction").clone();
  frequency_ = state.at("frequency").clone();
  mean_ = state.at("mean").clone();
  is_frozen_ = state.at("is_frozen").clone();
  frozen_codes_ = state.at("frozen_codes").clone();
}

namespace {

// Scales of a weight's quantizer so that they multiply the weight.
at::Tensor scales_along(const QuantParams& params, const at::Tensor& weight) {
  return along(scales_of(params), params.axis, weight.dim());
}

at::Tensor codes_of(const at::Tensor& weight, const QuantParams& params) {
  const at::NoGradGuard no_gradient;
  return (weight / scales_along(params, weight))
      .round()
      .clamp(params.range.qmin, params.range.qmax);
}

double rising(const TrainingStep& step, double begins) {
  const double along =
      std::clamp((step.progress() - begins) / std::max(1e-9, 1 - begins), 0.0, 1.0);
  return 0.5 * (1 - std::cos(std::numbers::pi * along));
}

}  // namespace

OscillationHook::OscillationHook(TrainedNetwork& network, const OscillationOptions& options)
    : network_(network), options_(options) {
  for (const auto& [site, quantizer] : network_.quantizers().weights) {
    const at::Tensor& weight = network_.network().parameters().at(site);
    const QuantParams params = quantizer->params_of(weight);
    if (params.bits > options.most_bits || params.bits < 2) continue;
    trackers_.emplace(site, OscillationTracker(codes_of(weight, params), options.momentum));
  }
}

double OscillationHook::threshold(const TrainingStep& step) const {
  if (options_.freezing <= 0 || step.progress() < options_.begins) return 0;
  const double along = rising(step, options_.begins);
  return kFirstThreshold + (options_.freezing - kFirstThreshold) * along;
}

at::Tensor OscillationHook::loss(const TrainingStep& step) {
  const double lambda = options_.dampening * rising(step, options_.begins);
  if (options_.dampening <= 0 || lambda <= 0) return {};
  at::Tensor total;
  for (const auto& [site, tracker] : trackers_) {
    const at::Tensor& weight = network_.network().parameters().at(site);
    Quantizer& quantizer = *network_.quantizers().weights.at(site);
    const QuantParams params = quantizer.params_of(weight);
    const at::Tensor quantized = quantizer.forward(weight).detach();
    const at::Tensor scales = scales_along(params, weight);
    const at::Tensor within =
        at::minimum(at::maximum(weight, scales * params.range.qmin), scales * params.range.qmax);
    // Sums over output channels, means over the rest.
    const auto channels = static_cast<double>(weight.size(std::max(params.axis, 0)));
    const at::Tensor part = (quantized - within).square().mean() * channels;
    total = total.defined() ? total + part : part;
  }
  return total.defined() ? total * lambda : total;
}

std::vector<at::Tensor> OscillationHook::after_step(const TrainingStep& step) {
  const at::NoGradGuard no_gradient;
  const double most = threshold(step);
  for (auto& [site, tracker] : trackers_) {
    const at::Tensor& weight = network_.network().parameters().at(site);
    const QuantParams params = network_.quantizers().weights.at(site)->params_of(weight);
    tracker.add(codes_of(weight, params));
    if (most <= 0) continue;
    tracker.freeze_above(most);
    // Whatever the scale does, the code stays.
    weight.copy_(at::where(tracker.is_frozen() > 0,
                           tracker.frozen_codes() * scales_along(params, weight), weight));
  }
  return {};
}

TensorMap OscillationHook::state() const {
  TensorMap state;
  for (const auto& [site, tracker] : trackers_)
    for (const auto& [name, value] : tracker.state()) state[site + "/" + name] = value;
  return state;
}

void OscillationHook::restore(const TensorMap& state) {
  for (auto& [site, tracker] : trackers_) {
    TensorMap own;
    for (const auto& [name, value] : tracker.state()) own[name] = state.at(site + "/" + name);
    tracker.restore(own);
  }
}

}  // namespace halftone
