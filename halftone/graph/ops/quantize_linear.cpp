// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
#include <algorithm>
#include <cmath>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/dims.h"
#include "halftone/graph/ops/narrow_floats.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/quantization.h"

namespace halftone {
namespace {

// The zero point's type, else what the attribute says, else uint8.
void infer_quantize(InferenceContext& context) {
  DType dtype = context.input(2).dtype;
  const auto declared = static_cast<DType>(context.node().int_or("output_dtype", 0));
  if (!context.has(2))
    dtype = declared != DType::kUndefined ? declared : DType::kUint8;
  else if (declared != DType::kUndefined && dtype != DType::kUndefined && declared != dtype)
    throw Error("output_dtype is ", name_of(declared), ", but the zero point is ", name_of(dtype));
  context.set_output(0, dtype, context.input(0).shape);
}

Tensors quantize_linear(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_quantize);
  const Quantization q =
      quantization_of(x, in[1], in.has(2) ? &in[2] : nullptr, in.node.int_or("axis", 1),
                      in.node.int_or("block_size", 0));
  const std::vector<float> values = x.to_vector<float>();
  const auto scale_of = [&](size_t i) { return q.scales[static_cast<size_t>(q.scale_at[i])]; };
  if (is_floating(type.dtype)) {
    std::vector<double> scaled(values.size());
    for (size_t i = 0; i < scaled.size(); ++i) scaled[i] = values[i] / scale_of(i);
    return {rounded_to(type.dtype, type.shape, std::move(scaled), in.node.int_or("saturate", 1))};
  }
  const IntegerRange range = integer_range(type.dtype);
  std::vector<int64_t> codes(values.size());
  for (size_t i = 0; i < codes.size(); ++i)
    codes[i] =
        quantized(values[i], scale_of(i), q.zero_points[static_cast<size_t>(q.scale_at[i])], range);
  return {stored(type.dtype, type.shape, codes)};
}

void infer_dequantize(InferenceContext& context) {
  const auto declared = static_cast<DType>(context.node().int_or("output_dtype", 0));
  context.set_output(0, declared != DType::kUndefined ? declared : context.input(1).dtype,
                     context.input(0).shape);
}

Tensors dequantize_linear(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_dequantize);
  if (in.has(2) && in[2].dtype() != x.dtype())
    throw Error("the zero point is ", name_of(in[2].dtype()), ", but the input is ",
                name_of(x.dtype()));
  const Quantization q =
      quantization_of(x, in[1], in.has(2) ? &in[2] : nullptr, in.node.int_or("axis", 1),
                      in.node.int_or("block_size", 0));
  std::vector<double> result(static_cast<size_t>(x.count()));
  const auto dequantize = [&](const auto& codes, auto subtract) {
    for (size_t i = 0; i < result.size(); ++i) {
      const auto k = static_cast<size_t>(q.scale_at[i]);
      result[i] = static_cast<float>(subtract(codes[i], q.zero_points[k])) * q.scales[k];
    }
  };
  if (is_floating(x.dtype()))
    dequantize(x.to_vector<float>(), [](float code, int64_t) { return code; });
  else
    dequantize(x.to_vector<int64_t>(),
               [](int64_t code, int64_t zero_point) { return wrapping_sub(code, zero_point); });
  return {stored(type.dtype, type.shape, result)};
}

void infer_dynamic_quantize(InferenceContext& context) {
  context.set_output(0, DType::kUint8, context.input(0).shape);
  context.set_output(1, DType::kFloat, SymbolicShape{});
  context.set_output(2, DType::kUint8, SymbolicShape{});
}

Tensors dynamic_quantize_linear(const KernelInputs& in) {
  const std::vector<float> x = in[0].to_vector<float>();
  float lowest = 0, highest = 0;  // the range always holds zero
  for (float value : x) {
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  const IntegerRange range = integer_range(DType::kUint8);
  const float scale = (highest - lowest) / 255.0f;
  const int64_t zero_point = scale > 0 ? quantized(-lowest, scale, 0, range) : 0;
  std::vector<int64_t> codes;
  for (float value : x)
    codes.push_back(scale > 0 ? quantized(value, scale, zero_point, range) : zero_point);
  return {stored(DType::kUint8, in[0].shape(), codes), Tensor::scalar(scale),
          stored(DType::kUint8, {}, std::vector<int64_t>{zero_point})};
}

HALFTONE_REGISTER(GraphOp, "QuantizeLinear", infer_quantize, quantize_linear);
HALFTONE_REGISTER(GraphOp, "DequantizeLinear", infer_dequantize, dequantize_linear);
HALFTONE_REGISTER(GraphOp, "DynamicQuantizeLinear", infer_dynamic_quantize,
                  dynamic_quantize_linear);

}  // namespace
}  // namespace halftone
