#include "halftone/nn/quantizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <utility>

#include "halftone/nn/tensors.h"
#include "halftone/quant/range_params.h"

namespace halftone {

QuantTensor Quantizer::freeze(const at::Tensor& weight) const {
  return quantize_tensor(weight_values(weight), params_of(weight), "a trained weight");
}

at::Tensor scales_of(const QuantParams& params) {
  return at::tensor(at::ArrayRef<float>(params.scales), at::kFloat);
}

QuantParams with_scales(QuantParams params, const at::Tensor& scales) {
  const at::Tensor values = scales.detach().cpu().contiguous();
  const float* first = values.const_data_ptr<float>();
  params.scales.assign(first, first + values.numel());
  params.zero_points.resize(params.scales.size(), 0);
  return params;
}

std::optional<float> scale_limit(const QuantizerStart& start) {
  if (!start.upper_limit) return std::nullopt;
  return largest_scale(*start.upper_limit, start.params.range);
}

bool has_fixed_zero_point(const QuantParams& p) {
  return p.zero_points[0] == p.range.qmin || is_symmetric(p);
}

QuantTensor coded(const at::Tensor& codes, QuantParams params) {
  const Tensor values = weight_values(codes);
  QuantTensor result{values.shape(), {}, std::move(params)};
  for (float code : values.to_vector<float>()) result.codes.push_back(static_cast<int32_t>(code));
  return result;
}

void Quantizer::restart(const QuantizerStart&) {
  throw std::logic_error("a quantizer without a uniform grid keeps its width");
}

Tensor weight_values(const at::Tensor& weight) { return from_torch(weight.detach()); }

void clamp_scales(at::Tensor& scales, const std::optional<float>& limit) {
  constexpr double kLeastScale = 1e-8;
  const at::NoGradGuard no_gradient;
  scales.clamp_min_(kLeastScale);
  if (limit) scales.clamp_max_(static_cast<double>(*limit));
}

}  // namespace halftone
