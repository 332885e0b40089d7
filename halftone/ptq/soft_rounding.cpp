#include "halftone/ptq/soft_rounding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

// The stretched sigmoid reaches 0 and 1 at finite V.
constexpr double kZeta = 1.1, kGamma = -0.1;

// One value a scale in a shape that broadcasts over the weight.
at::Tensor broadcast(const std::vector<float>& values, const QuantParams& params,
                     const Shape& weight) {
  const at::Tensor tensor = at::tensor(values, at::kFloat);
  if (params.axis < 0) return tensor.reshape({});
  const auto axis = static_cast<size_t>(params.axis);
  if (params.block_size)
    return tensor.reshape(scale_shape(weight, params))
        .repeat_interleave(std::min(params.block_size, weight[axis]), params.axis)
        .narrow(params.axis, 0, weight[axis]);
  Shape shape(weight.size(), 1);
  shape[axis] = weight[axis];
  return tensor.reshape(shape);
}

at::Tensor broadcast_ends(const QuantParams& params, const Shape& weight, int32_t CodeRange::*end) {
  std::vector<float> values;
  for (size_t i = 0; i < params.scales.size(); ++i)
    values.push_back(static_cast<float>(params.width_at(i).range.*end - params.zero_points[i]));
  const bool is_one = std::ranges::all_of(values, [&](float value) { return value == values[0]; });
  return is_one ? at::full({}, values.at(0), at::kFloat) : broadcast(values, params, weight);
}

// 1 where a channel has one bit, of which nothing is to be learned: its codes are signs.
at::Tensor binary_channels(const QuantParams& params, const Shape& weight) {
  std::vector<float> values;
  for (const Width& width : params.channels) values.push_back(width.bits == 1 ? 1.0f : 0.0f);
  return broadcast(values, params, weight).to(at::kBool);
}

}  // namespace

SoftRounding::SoftRounding(const Tensor& weight, const QuantParams& params)
    : shape_(weight.shape()),
      params_(params),
      scale_(broadcast(params.scales, params, shape_)),
      low_(broadcast_ends(params, shape_, &CodeRange::qmin)),
      high_(broadcast_ends(params, shape_, &CodeRange::qmax)) {
  const at::Tensor steps = to_torch(weight) / scale_;
  floor_ = at::floor(steps);
  if (std::ranges::any_of(params.channels, [](const Width& width) { return width.bits == 1; })) {
    const at::Tensor is_binary = binary_channels(params, shape_),
                     sign = at::where(steps < 0, -1.0f, 1.0f).to(at::kFloat);
    low_ = at::where(is_binary, sign, low_);
    high_ = at::where(is_binary, sign, high_);
  }
  const at::Tensor rest = steps - floor_;
  variable_ = -at::log((kZeta - kGamma) / (rest - kGamma) - 1);
  variable_.requires_grad_();
}

at::Tensor SoftRounding::rounding_up() const {
  return at::clamp(at::sigmoid(variable_) * (kZeta - kGamma) + kGamma, 0, 1);
}

at::Tensor SoftRounding::soft_weight() const {
  return scale_ * at::clamp(floor_ + rounding_up(), low_, high_);
}

at::Tensor SoftRounding::regularizer(double beta) const {
  return (1 - at::pow(at::abs(2 * rounding_up() - 1), beta)).sum();
}

QuantTensor SoftRounding::hard() const {
  const at::NoGradGuard no_grad;
  const at::Tensor codes = at::clamp(floor_ + at::ge(variable_, 0), low_, high_);
  const std::vector<float> zero_points(params_.zero_points.begin(), params_.zero_points.end());
  const at::Tensor integers =
      (codes + broadcast(zero_points, params_, shape_)).to(at::kInt).contiguous();
  const int32_t* first = integers.const_data_ptr<int32_t>();
  return {shape_, std::vector<int32_t>(first, first + integers.numel()), params_};
}

double SoftRounding::converged_share() const {
  const at::NoGradGuard no_grad;
  const at::Tensor h = rounding_up();
  return at::logical_or(h<0.01, h> 0.99).to(at::kDouble).mean().item<double>();
}

std::optional<double> rounding_exponent(int step, int steps, double warm_up) {
  const double start = warm_up * steps;
  if (step < start) return std::nullopt;
  const double progress = (step - start) / (steps - start);
  return 2 + 18 * (1 - progress);
}

}  // namespace halftone
