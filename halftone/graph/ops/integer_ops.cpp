// Arithmetic on quantized values: ConvInteger, MatMulInteger, QLinearConv, QLinearMatMul. Exact in
// int64.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/convolution.h"
#include "halftone/graph/ops/matrix_product.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/quantization.h"

namespace halftone {
namespace {

// A tensor's values minus its zero point: one for all, or one per index of `axis`. Missing means
// zero.
std::vector<int64_t> centered(const Tensor& x, const KernelInputs& in, size_t zero_point,
                              size_t axis) {
  std::vector<int64_t> values = x.to_vector<int64_t>();
  if (!in.has(zero_point)) return values;
  const std::vector<int64_t> zeros = in[zero_point].to_vector<int64_t>();
  if (zeros.size() == 1) {
    for (int64_t& value : values) value = wrapping_sub(value, zeros[0]);
    return values;
  }
  if (axis >= x.shape().size() || in[zero_point].count() != x.shape()[axis])
    throw Error("the zero point has shape ", to_string(in[zero_point].shape()), " for a tensor of ",
                to_string(x.shape()));
  const auto run = static_cast<size_t>(
      element_count({x.shape().begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.shape().end()}));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = wrapping_sub(values[i], zeros[i / run % zeros.size()]);
  return values;
}

size_t row_axis(const Tensor& x) { return x.shape().size() < 2 ? 0 : x.shape().size() - 2; }
size_t column_axis(const Tensor& x) { return x.shape().empty() ? 0 : x.shape().size() - 1; }

void infer_matmul_integer(InferenceContext& context) {
  context.set_output(0, DType::kInt32,
                     matmul_shape(context.input(0).shape, context.input(1).shape));
}

Tensors matmul_integer(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_matmul_integer);
  const auto a = centered(in[0], in, 2, row_axis(in[0]));
  const auto b = centered(in[1], in, 3, column_axis(in[1]));
  return {stored(type.dtype, type.shape, matrix_product(a, in[0].shape(), b, in[1].shape()))};
}

void infer_conv_integer(InferenceContext& context) { infer_conv(context, 1, DType::kInt32); }

Tensors conv_integer(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_conv_integer);
  const ConvGeometry geometry = conv_geometry(in.node, in[0].shape(), in[1].shape());
  const auto x = centered(in[0], in, 2, 0);
  const auto weight = centered(in[1], in, 3, 0);
  return {stored(type.dtype, type.shape, convolved(x, weight, geometry))};
}

// Sums of products to codes: float32 throughout, as the numeric contract has it. scale_at tells
// which weight scale an element has.
struct Requantizer {
  float x_scale = 1, y_scale = 1;
  std::vector<float> weight_scales;
  int64_t zero_point = 0;
  DType dtype = DType::kUint8;

  template <typename F>
  Tensor operator()(const Shape& shape, std::vector<int64_t> sums, const F& scale_at) const {
    const IntegerRange range = integer_range(dtype);
    for (size_t i = 0; i < sums.size(); ++i) {
      const float scale = x_scale * weight_scales[weight_scales.size() == 1 ? 0 : scale_at(i)];
      sums[i] = quantized(static_cast<float>(sums[i]) * scale, y_scale, zero_point, range);
    }
    return stored(dtype, shape, sums);
  }
};

// Inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point. `channels`:
// how many weight scales fit.
Requantizer requantizer(const KernelInputs& in, int64_t channels) {
  if (in[4].count() != 1 && in[4].count() != channels)
    throw Error("the weight's scale has shape ", to_string(in[4].shape()), "; it takes 1 or ",
                channels, " values");
  return {.x_scale = in[1].item<float>(),
          .y_scale = in[6].item<float>(),
          .weight_scales = in[4].to_vector<float>(),
          .zero_point = in[7].item<int64_t>(),
          .dtype = in[7].dtype()};
}

void infer_qlinear_conv(InferenceContext& context) {
  infer_conv(context, 3, context.input(7).dtype);
}

Tensors qlinear_conv(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_qlinear_conv);
  const ConvGeometry geometry = conv_geometry(in.node, in[0].shape(), in[3].shape());
  std::vector<int64_t> sums =
      convolved(centered(in[0], in, 2, 0), centered(in[3], in, 5, 0), geometry);
  const int64_t channels = type.shape[1];
  const auto plane = static_cast<size_t>(geometry.output_plane());
  const auto channel_at = [&](size_t i) { return i / plane % static_cast<size_t>(channels); };
  if (in.has(8)) {
    const std::vector<int64_t> bias = in[8].to_vector<int64_t>();
    if (in[8].count() != channels) throw Error("the bias has shape ", to_string(in[8].shape()));
    for (size_t i = 0; i < sums.size(); ++i) sums[i] = wrapping_add(sums[i], bias[channel_at(i)]);
  }
  return {requantizer(in, channels)(type.shape, std::move(sums), channel_at)};
}

void infer_qlinear_matmul(InferenceContext& context) {
  context.set_output(0, context.input(7).dtype,
                     matmul_shape(context.input(0).shape, context.input(3).shape));
}

Tensors qlinear_matmul(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_qlinear_matmul);
  const auto a = centered(in[0], in, 2, row_axis(in[0]));
  const auto b = centered(in[3], in, 5, column_axis(in[3]));
  const int64_t columns = in[3].rank() > 1 ? in[3].shape().back() : 1;
  return {requantizer(in, columns)(type.shape, matrix_product(a, in[0].shape(), b, in[3].shape()),
                                   [&](size_t i) { return i % static_cast<size_t>(columns); })};
}

HALFTONE_REGISTER(GraphOp, "MatMulInteger", infer_matmul_integer, matmul_integer);
HALFTONE_REGISTER(GraphOp, "ConvInteger", infer_conv_integer, conv_integer);
HALFTONE_REGISTER(GraphOp, "QLinearConv", infer_qlinear_conv, qlinear_conv);
HALFTONE_REGISTER(GraphOp, "QLinearMatMul", infer_qlinear_matmul, qlinear_matmul);

}  // namespace
}  // namespace halftone
