// Activation functions, one number to one number.
#include <ATen/ATen.h>

#include <limits>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

NnOutputs clip(const NnInputs& in) {
  std::optional<at::Tensor> low, high;
  if (in.has(1)) low = in[1];
  if (in.has(2)) high = in[2];
  const at::Tensor& x = in[0];
  if (in.node.has("min")) low = at::full({}, in.node.float_or("min", 0), x.options());
  if (in.node.has("max")) high = at::full({}, in.node.float_or("max", 0), x.options());
  if (!low && !high) return {x};
  const bool is_plain =
      x.is_floating_point() && !(low && low->requires_grad()) && !(high && high->requires_grad());
  if (!is_plain) return {at::clamp(x, low, high)};
  // With numbers instead of tensors LibTorch has one vectorised pass.
  std::optional<at::Scalar> low_number, high_number;
  if (low) low_number = low->item();
  if (high) high_number = high->item();
  if (in.may_overwrite(0)) return {x.clamp_(low_number, high_number)};
  // at::clamp's gradient takes four passes, none of them vectorised. This one is 0 at the limits, as
  // that of Relu at 0.
  const bool is_range =
      low_number && high_number && low_number->toDouble() <= high_number->toDouble();
  if (is_range && x.requires_grad()) return {at::hardtanh(x, *low_number, *high_number)};
  return {at::clamp(x, low_number, high_number)};
}

NnOutputs relu(const NnInputs& in) {
  return {in.may_overwrite(0) ? in[0].relu_() : at::relu(in[0])};
}

NnOutputs leaky_relu(const NnInputs& in) {
  return {at::leaky_relu(in[0], in.node.float_or("alpha", 0.01f))};
}

// The slope broadcasts, other than at::prelu's.
NnOutputs prelu(const NnInputs& in) { return {at::where(in[0].lt(0), in[0].mul(in[1]), in[0])}; }

NnOutputs elu(const NnInputs& in) { return {at::elu(in[0], in.node.float_or("alpha", 1))}; }

NnOutputs celu(const NnInputs& in) { return {at::celu(in[0], in.node.float_or("alpha", 1))}; }

NnOutputs selu(const NnInputs& in) {
  const float alpha = in.node.float_or("alpha", 1.67326319217681884765625f);
  const float gamma = in.node.float_or("gamma", 1.05070102214813232421875f);
  return {at::elu(in[0], alpha, gamma)};
}

NnOutputs thresholded_relu(const NnInputs& in) {
  return {at::threshold(in[0], in.node.float_or("alpha", 1), 0)};
}

NnOutputs hard_sigmoid(const NnInputs& in) {
  const float alpha = in.node.float_or("alpha", 0.2f), beta = in.node.float_or("beta", 0.5f);
  return {at::clamp(in[0].mul(alpha).add(beta), 0, 1)};
}

NnOutputs hard_swish(const NnInputs& in) { return {at::hardswish(in[0])}; }

NnOutputs swish(const NnInputs& in) {
  const float alpha = in.node.float_or("alpha", 1);
  if (alpha == 1) return {at::silu(in[0])};
  return {in[0].mul(at::sigmoid(in[0].mul(alpha)))};
}

NnOutputs gelu(const NnInputs& in) {
  const std::string form = in.node.string_or("approximate", "none");
  if (form != "none" && form != "tanh")
    throw Error("approximate is '", form, "'; known are none and tanh");
  return {at::gelu(in[0], form)};
}

NnOutputs shrink(const NnInputs& in) {
  const float bias = in.node.float_or("bias", 0), lambda = in.node.float_or("lambd", 0.5f);
  const at::Tensor& x = in[0];
  const at::Tensor zero = at::zeros({}, x.options());
  return {at::where(x.lt(-lambda), x.add(bias), at::where(x.gt(lambda), x.sub(bias), zero))};
}

// Beyond 30 the rounding of float64 swallows the rest.
NnOutputs softplus(const NnInputs& in) { return {at::softplus(in[0], 1, 40)}; }

NnOutputs softsign(const NnInputs& in) { return {in[0].div(in[0].abs().add(1))}; }

NnOutputs sigmoid(const NnInputs& in) { return {at::sigmoid(in[0])}; }

NnOutputs mish(const NnInputs& in) { return {at::mish(in[0])}; }

HALFTONE_REGISTER(NnOp, "Relu", or_reference<relu>);
HALFTONE_REGISTER(NnOp, "Clip", or_reference<clip>);
HALFTONE_REGISTER(NnOp, "LeakyRelu", or_reference<leaky_relu>);
HALFTONE_REGISTER(NnOp, "PRelu", or_reference<prelu>);
HALFTONE_REGISTER(NnOp, "Elu", or_reference<elu>);
HALFTONE_REGISTER(NnOp, "Celu", or_reference<celu>);
HALFTONE_REGISTER(NnOp, "Selu", or_reference<selu>);
HALFTONE_REGISTER(NnOp, "ThresholdedRelu", or_reference<thresholded_relu>);
HALFTONE_REGISTER(NnOp, "HardSigmoid", or_reference<hard_sigmoid>);
HALFTONE_REGISTER(NnOp, "HardSwish", or_reference<hard_swish>);
HALFTONE_REGISTER(NnOp, "Swish", or_reference<swish>);
HALFTONE_REGISTER(NnOp, "Gelu", or_reference<gelu>);
HALFTONE_REGISTER(NnOp, "Shrink", on_floats<shrink>);
HALFTONE_REGISTER(NnOp, "Softplus", or_reference<softplus>);
HALFTONE_REGISTER(NnOp, "Softsign", or_reference<softsign>);
HALFTONE_REGISTER(NnOp, "Sigmoid", or_reference<sigmoid>);
HALFTONE_REGISTER(NnOp, "Mish", or_reference<mish>);

}  // namespace
}  // namespace halftone
