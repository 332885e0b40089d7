// Gemm and MatMul by a constant: a convolution of one tap over rows.
#include "halftone/runtime/convolution_layer.h"
#include "halftone/runtime/native_op.h"

namespace halftone::runtime {
namespace {

// [K, N] to [N][K], or [N, K] as it is.
std::vector<int32_t> outputs_outermost(const Tensor& weight, bool is_transposed) {
  auto codes = weight.to_vector<int32_t>();
  if (is_transposed) return codes;
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  std::vector<int32_t> result(codes.size());
  for (int64_t k = 0; k < rows; ++k)
    for (int64_t n = 0; n < columns; ++n)
      result[static_cast<size_t>(n * rows + k)] = codes[static_cast<size_t>(k * columns + n)];
  return result;
}

std::unique_ptr<Layer> make_product(LoadContext& context, const Node& node, bool is_transposed,
                                    const std::string& bias, std::string& reason) {
  const auto weight = context.quantized_constant(node.input(1));
  if (!weight || weight->codes.rank() != 2)
    return reason = "its right side is not a quantized constant matrix", nullptr;
  const int64_t output_axis = is_transposed ? 0 : 1;
  if (weight->axis >= 0 && weight->axis != output_axis)
    return reason = "its weight's scales do not lie along the outputs", nullptr;
  const Shape shape = context.shape(node.input(0));
  if (shape.size() != 2 && shape.size() != 3)
    return reason = "only inputs of two or three dimensions have a kernel", nullptr;
  const Shape& dims = weight->codes.shape();
  const WeightedNode weighted{.window = {},
                              .groups = 1,
                              .inputs = dims[static_cast<size_t>(1 - output_axis)],
                              .outputs = dims[static_cast<size_t>(output_axis)],
                              .codes = outputs_outermost(weight->codes, is_transposed),
                              .weight = *weight,
                              .bias = bias};
  return make_convolution_layer(context, node, weighted, reason);
}

std::unique_ptr<Layer> make_gemm(LoadContext& context, const Node& node, std::string& reason) {
  const bool is_plain = node.int_or("transA", 0) == 0 && node.float_or("alpha", 1) == 1 &&
                        node.float_or("beta", 1) == 1;
  if (!is_plain) return reason = "transA, alpha or beta is set", nullptr;
  return make_product(context, node, node.int_or("transB", 0) != 0, node.input(2), reason);
}

std::unique_ptr<Layer> make_matmul(LoadContext& context, const Node& node, std::string& reason) {
  return make_product(context, node, false, "", reason);
}

HALFTONE_REGISTER(NativeOp, "Gemm", make_gemm);
HALFTONE_REGISTER(NativeOp, "MatMul", make_matmul);

}  // namespace
}  // namespace halftone::runtime
