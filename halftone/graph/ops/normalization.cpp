// Normalization by the statistics of the sample itself: Instance-, Group-, Layer-, RMS-,
// MeanVariance-, LpNormalization.
#include <cmath>
#include <span>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

struct Moments {
  double mean = 0, inverse_deviation = 0;
};

Moments moments_of(std::span<const double> values, double epsilon) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, variance = 0;
  for (double x : values) mean += x / count;
  for (double x : values) variance += (x - mean) * (x - mean) / count;
  return {mean, 1 / std::sqrt(variance + epsilon)};
}

// Normalizes every run of `length` values and returns what they were normalized by.
std::vector<Moments> normalize_runs(std::vector<double>& values, size_t length, double epsilon) {
  std::vector<Moments> result;
  for (size_t at = 0; at < values.size(); at += length) {
    const auto run = std::span(values).subspan(at, length);
    result.push_back(moments_of(run, epsilon));
    for (double& x : run) x = (x - result.back().mean) * result.back().inverse_deviation;
  }
  return result;
}

void infer_channels(InferenceContext& context) {
  require_rank(context.input(0).shape, 2, "the input");
  same_type_as_input(context);
}

// y = x * scale + bias, where element i takes entry i / run % entries of both.
void scale_channels(std::vector<double>& y, const Tensor& scale, const Tensor& bias,
                    int64_t channels, size_t run) {
  if (scale.count() != channels || bias.count() != channels)
    throw Error("scale of shape ", to_string(scale.shape()), " and bias of ",
                to_string(bias.shape()), " must have ", channels, " values");
  const auto factors = scale.to_vector<double>(), offsets = bias.to_vector<double>();
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t c = i / run % factors.size();
    y[i] = y[i] * factors[c] + offsets[c];
  }
}

Tensors instance_normalization(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_channels);
  std::vector<double> y = x.to_vector<double>();
  const auto plane = static_cast<size_t>(element_count({type.shape.begin() + 2, type.shape.end()}));
  normalize_runs(y, plane, in.node.float_or("epsilon", 1e-5f));
  scale_channels(y, in[1], in[2], type.shape[1], plane);
  return {stored(type.dtype, type.shape, y)};
}

Tensors group_normalization(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_channels);
  const int64_t channels = type.shape[1], groups = in.node.int_or("num_groups", 0);
  if (groups < 1 || channels % groups != 0)
    throw Error("num_groups is ", groups, " for ", channels, " channels");
  std::vector<double> y = x.to_vector<double>();
  const auto plane = static_cast<size_t>(element_count({type.shape.begin() + 2, type.shape.end()}));
  const size_t group = plane * static_cast<size_t>(channels / groups);
  normalize_runs(y, group, in.node.float_or("epsilon", 1e-5f));
  // Opset 18 scaled whole groups, 21 channels; where there are as many groups as channels it is the
  // same.
  const bool scales_channels = in[1].count() == channels;
  scale_channels(y, in[1], in[2], scales_channels ? channels : groups,
                 scales_channels ? plane : group);
  return {stored(type.dtype, type.shape, y)};
}

// LayerNormalization's and RMSNormalization's: everything from `axis` on is normalized together.
void infer_layer(InferenceContext& context) {
  same_type_as_input(context);
  MaybeShape shape = context.input(0).shape;
  if (shape) {
    const size_t axis =
        normalized_axis(context.node().int_or("axis", -1), static_cast<int64_t>(shape->size()));
    for (size_t i = axis; i < shape->size(); ++i) (*shape)[i] = Dim::of(1);
  }
  const auto stash = static_cast<DType>(context.node().int_or("stash_type", 1));
  context.set_output(1, stash, shape);
  context.set_output(2, stash, shape);
}

// Elements of a tensor that is broadcast to `shape`.
std::vector<double> broadcast_values(const Tensor& tensor, const Shape& shape) {
  const auto own = tensor.to_vector<double>();
  std::vector<double> result;
  for (int64_t at : strided_indices(shape, broadcast_strides(tensor.shape(), shape)))
    result.push_back(own[static_cast<size_t>(at)]);
  return result;
}

size_t run_of(const Node& node, const Shape& shape) {
  const size_t axis = normalized_axis(node.int_or("axis", -1), static_cast<int64_t>(shape.size()));
  return static_cast<size_t>(
      element_count({shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end()}));
}

Tensors layer_normalization(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_layer);
  std::vector<double> y = x.to_vector<double>();
  const auto moments =
      normalize_runs(y, run_of(in.node, type.shape), in.node.float_or("epsilon", 1e-5f));
  const auto scale = broadcast_values(in[1], type.shape);
  for (size_t i = 0; i < y.size(); ++i) y[i] *= scale[i];
  if (in.has(2)) {
    const auto bias = broadcast_values(in[2], type.shape);
    for (size_t i = 0; i < y.size(); ++i) y[i] += bias[i];
  }
  Tensors results{stored(type.dtype, type.shape, y)};
  for (size_t output = 1; output < in.node.outputs.size() && output < 3; ++output) {
    const TensorType statistic = output_type(in, infer_layer, output);
    std::vector<double> values;
    for (const Moments& m : moments) values.push_back(output == 1 ? m.mean : m.inverse_deviation);
    results.push_back(stored(statistic.dtype, statistic.shape, values));
  }
  return results;
}

Tensors rms_normalization(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_layer);
  const double epsilon = in.node.float_or("epsilon", 1e-5f);
  std::vector<double> y = in[0].to_vector<double>();
  const size_t length = run_of(in.node, type.shape);
  const auto scale = broadcast_values(in[1], type.shape);
  for (size_t at = 0; at < y.size(); at += length) {
    double square = 0;
    for (size_t i = at; i < at + length; ++i) square += y[i] * y[i] / static_cast<double>(length);
    for (size_t i = at; i < at + length; ++i) y[i] = y[i] / std::sqrt(square + epsilon) * scale[i];
  }
  return {stored(type.dtype, type.shape, y)};
}

// Replaces the values along `axes`, lane by lane.
template <typename F>
Tensors map_lanes(const Tensor& x, const std::vector<size_t>& axes, const F& f) {
  std::vector<double> y = x.to_vector<double>();
  Lanes<double> lanes = lanes_of(y, x.shape(), axes);
  const auto length = static_cast<size_t>(lanes.length);
  for (size_t at = 0; at < y.size(); at += length) f(std::span(lanes.values).subspan(at, length));
  for (size_t i = 0; i < y.size(); ++i) y[static_cast<size_t>(lanes.at[i])] = lanes.values[i];
  return {stored(x.dtype(), x.shape(), y)};
}

Tensors mean_variance_normalization(const KernelInputs& in) {
  const auto axes = normalized_axes(in.node.ints_or("axes", {0, 2, 3}), in[0].rank());
  return map_lanes(in[0], axes, [](std::span<double> lane) {
    const Moments moments = moments_of(lane, 0);
    constexpr double kEpsilon = 1e-9;  // added to the deviation, as in ONNX's definition
    for (double& x : lane) x = (x - moments.mean) / (1 / moments.inverse_deviation + kEpsilon);
  });
}

Tensors lp_normalization(const KernelInputs& in) {
  const int64_t p = in.node.int_or("p", 2);
  if (p != 1 && p != 2) throw Error("p is ", p, "; known are 1 and 2");
  return map_lanes(in[0], {normalized_axis(in.node.int_or("axis", -1), in[0].rank())},
                   [=](std::span<double> lane) {
                     double norm = 0;
                     for (double x : lane) norm += p == 1 ? std::fabs(x) : x * x;
                     if (p == 2) norm = std::sqrt(norm);
                     for (double& x : lane) x = norm == 0 ? 0 : x / norm;
                   });
}

HALFTONE_REGISTER(GraphOp, "InstanceNormalization", infer_channels, instance_normalization);
HALFTONE_REGISTER(GraphOp, "GroupNormalization", infer_channels, group_normalization);
HALFTONE_REGISTER(GraphOp, "LayerNormalization", infer_layer, layer_normalization);
HALFTONE_REGISTER(GraphOp, "RMSNormalization", infer_layer, rms_normalization);
HALFTONE_REGISTER(GraphOp, "MeanVarianceNormalization", same_type_as_input,
                  mean_variance_normalization);
HALFTONE_REGISTER(GraphOp, "LpNormalization", same_type_as_input, lp_normalization);

}  // namespace
}  // namespace halftone
