// Normalization by the statistics of the sample itself: Instance-, Group-, Layer-, RMS-,
// MeanVariance-, LpNormalization, LRN.
#include <ATen/ATen.h>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

double epsilon_of(const Node& node) { return node.float_or("epsilon", 1e-5f); }

NnOutputs instance_normalization(const NnInputs& in) {
  return {at::group_norm(in[0], in[0].size(1), in[1], in[2], epsilon_of(in.node), false)};
}

// Opset 18 scaled whole groups, 21 channels.
NnOutputs group_normalization(const NnInputs& in) {
  const int64_t channels = in[0].size(1), groups = in.node.int_or("num_groups", 0);
  if (groups < 1 || channels % groups != 0)
    throw Error("num_groups is ", groups, " for ", channels, " channels");
  at::Tensor scale = in[1], bias = in[2];
  if (scale.numel() != channels) {
    scale = scale.repeat_interleave(channels / groups);
    bias = bias.repeat_interleave(channels / groups);
  }
  return {at::group_norm(in[0], groups, scale, bias, epsilon_of(in.node), false)};
}

// The axes from `axis` on, which are normalized together.
std::vector<int64_t> normalized_shape(const NnInputs& in) {
  const int64_t axis = axis_of(in.node, -1, in[0].dim());
  return in[0].sizes().slice(static_cast<size_t>(axis)).vec();
}

at::ScalarType statistics_type(const Node& node) {
  return node.int_or("stash_type", 1) == static_cast<int64_t>(DType::kDouble) ? at::kDouble
                                                                              : at::kFloat;
}

NnOutputs layer_normalization(const NnInputs& in) {
  const at::Tensor &x = in[0], &scale = in[1];
  const auto shape = normalized_shape(in);
  const auto fits = [&](const at::Tensor& t) { return t.sizes().vec() == shape; };
  const bool is_native = fits(scale) && (!in.has(2) || fits(in[2]));
  std::optional<at::Tensor> weight, bias;
  if (is_native) weight = scale;
  if (is_native && in.has(2)) bias = in[2];
  auto [y, mean, deviation] = at::native_layer_norm(x, shape, weight, bias, epsilon_of(in.node));
  if (!is_native) y = in.has(2) ? y * scale + in[2] : y * scale;
  if (in.node.outputs.size() < 2) return {y};
  const at::ScalarType type = statistics_type(in.node);
  return {y, mean.to(type), deviation.to(type)};
}

NnOutputs rms_normalization(const NnInputs& in) {
  const at::Tensor& x = in[0];
  std::vector<int64_t> axes;
  for (int64_t axis = axis_of(in.node, -1, x.dim()); axis < x.dim(); ++axis) axes.push_back(axis);
  const at::Tensor square = at::mean(x * x, axes, true);
  return {x * at::rsqrt(square + epsilon_of(in.node)) * in[1]};
}

NnOutputs mean_variance_normalization(const NnInputs& in) {
  constexpr double kEpsilon = 1e-9;  // added to the deviation, as in ONNX's definition
  const at::Tensor& x = in[0];
  const auto axes = in.node.ints_or("axes", {0, 2, 3});
  const auto [deviation, mean] = at::std_mean(x, axes, /*unbiased=*/false, true);
  return {(x - mean) / (deviation + kEpsilon)};
}

NnOutputs lp_normalization(const NnInputs& in) {
  const int64_t p = in.node.int_or("p", 2);
  if (p != 1 && p != 2) throw Error("p is ", p, "; known are 1 and 2");
  const at::Tensor& x = in[0];
  const std::vector<int64_t> axes{axis_of(in.node, -1, x.dim())};
  const at::Tensor norm = at::linalg_vector_norm(x, p, axes, true);
  return {x / norm.masked_fill(norm == 0, 1)};  // where the norm is 0, so is x
}

// Every value divided by a norm of its neighbours in other channels.
NnOutputs lrn(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const double alpha = in.node.float_or("alpha", 1e-4f), beta = in.node.float_or("beta", 0.75f);
  const int64_t size = in.node.int_or("size", 0);
  if (size < 1) throw Error("size is ", size);
  if (x.dim() < 2) throw Error("the input has ", x.dim(), " dimensions, at least 2 are needed");
  const at::Tensor squares = (x * x).reshape({x.size(0), 1, x.size(1), -1});
  const at::Tensor padded = at::constant_pad_nd(squares, {0, 0, (size - 1) / 2, size / 2}, 0);
  const at::Tensor means = at::avg_pool2d(padded, {size, 1}, {1, 1}).reshape(x.sizes());
  return {x / at::pow(means * alpha + in.node.float_or("bias", 1), beta)};
}

HALFTONE_REGISTER(NnOp, "InstanceNormalization", or_reference<instance_normalization>);
HALFTONE_REGISTER(NnOp, "GroupNormalization", or_reference<group_normalization>);
HALFTONE_REGISTER(NnOp, "LayerNormalization", or_reference<layer_normalization>);
HALFTONE_REGISTER(NnOp, "RMSNormalization", or_reference<rms_normalization>);
HALFTONE_REGISTER(NnOp, "MeanVarianceNormalization", or_reference<mean_variance_normalization>);
HALFTONE_REGISTER(NnOp, "LpNormalization", or_reference<lp_normalization>);
HALFTONE_REGISTER(NnOp, "LRN", or_reference<lrn>);

}  // namespace
}  // namespace halftone
