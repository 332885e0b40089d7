#include "halftone/ptq/soft_rounding.h"

#include <ATen/ATen.h>

#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

// The stretched sigmoid reaches 0 and 1 at finite V.
constexpr double kZeta = 1.1, kGamma = -0.1;

// One value a channel in a shape that broadcasts over the weight.
at::Tensor broadcast_scales(const QuantParams& params, size_t rank) {
  std::vector<int64_t> shape(rank, 1);
  if (params.is_per_channel()) shape[static_cast<size_t>(params.axis)] = static_cast<int64_t>(params.scales.size());
  return at::tensor(params.scales, at::kFloat).reshape(params.is_per_channel() ? shape : std::vector<int64_t>{});
}

}  // namespace

SoftRounding::SoftRounding(const Tensor& weight, const QuantParams& params)
    : shape_(weight.shape()), params_(params), scale_(broadcast_scales(params, weight.shape().size())) {
  const at::Tensor steps = to_torch(weight) / scale_;
  floor_ = at::floor(steps);
  const at::Tensor rest = steps - floor_;
  variable_ = -at::log((kZeta - kGamma) / (rest - kGamma) - 1);
  variable_.requires_grad_();
}

at::Tensor SoftRounding::rounding_up() const {
  return at::clamp(at::sigmoid(variable_) * (kZeta - kGamma) + kGamma, 0, 1);
}

at::Tensor SoftRounding::soft_weight() const {
  return scale_ * at::clamp(floor_ + rounding_up(), params_.range.qmin, params_.range.qmax);
}

at::Tensor SoftRounding::regularizer(double beta) const {
  return (1 - at::pow(at::abs(2 * rounding_up() - 1), beta)).sum();
}

QuantTensor SoftRounding::hard() const {
  const at::NoGradGuard no_grad;
  const at::Tensor codes = at::clamp(floor_ + at::ge(variable_, 0), params_.range.qmin, params_.range.qmax);
  const at::Tensor integers = codes.to(at::kInt).contiguous();
  const int32_t* first = integers.const_data_ptr<int32_t>();
  return {shape_, std::vector<int32_t>(first, first + integers.numel()), params_};
}

double SoftRounding::converged_share() const {
  const at::NoGradGuard no_grad;
  const at::Tensor h = rounding_up();
  return at::logical_or(h < 0.01, h > 0.99).to(at::kDouble).mean().item<double>();
}

std::optional<double> rounding_exponent(int step, int steps, double warm_up) {
  const double start = warm_up * steps;
  if (step < start) return std::nullopt;
  const double progress = (step - start) / (steps - start);
  return 2 + 18 * (1 - progress);
}

}  // namespace halftone
