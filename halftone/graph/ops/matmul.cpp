// MatMul and Gemm: accumulate in double, round once.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/elementwise.h"
#include "halftone/graph/ops/matrix_product.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

void infer_matmul(InferenceContext& context) {
  context.set_output(0, context.input(0).dtype,
                     matmul_shape(context.input(0).shape, context.input(1).shape));
}

Tensors matmul(const KernelInputs& in) {
  const Tensor& a = in[0];
  const Tensor& b = in[1];
  require_same_type(a, b);
  const TensorType type = output_type(in, infer_matmul);
  if (is_floating(type.dtype))
    return {
        stored(type.dtype, type.shape,
               matrix_product(a.to_vector<double>(), a.shape(), b.to_vector<double>(), b.shape()))};
  return {
      stored(type.dtype, type.shape,
             matrix_product(a.to_vector<int64_t>(), a.shape(), b.to_vector<int64_t>(), b.shape()))};
}

MaybeShape transposed(MaybeShape shape, bool is_transposed) {
  if (!shape) return shape;
  if (shape->size() != 2) throw Error("a matrix has shape ", to_string(*shape));
  if (is_transposed) std::swap((*shape)[0], (*shape)[1]);
  return shape;
}

void infer_gemm(InferenceContext& context) {
  const Node& node = context.node();
  const MaybeShape a = transposed(context.input(0).shape, node.int_or("transA", 0));
  const MaybeShape b = transposed(context.input(1).shape, node.int_or("transB", 0));
  if (a && b) matmul_shape(a, b);
  SymbolicShape shape{a ? (*a)[0] : Dim{}, b ? (*b)[1] : Dim{}};
  if (context.input(2).shape && broadcast(*context.input(2).shape, shape).size() != 2)
    throw Error("C has shape ", to_string(*context.input(2).shape),
                ", which does not broadcast to ", to_string(shape));
  context.set_output(0, context.input(0).dtype, std::move(shape));
}

struct Matrix {
  std::vector<double> values;
  Shape shape;
};

Matrix matrix_of(const Tensor& tensor, bool is_transposed) {
  Matrix result{tensor.to_vector<double>(), tensor.shape()};
  if (!is_transposed) return result;
  std::swap(result.shape[0], result.shape[1]);
  const auto at = strided_indices(result.shape, {1, result.shape[0]});
  std::vector<double> values(at.size());
  for (size_t i = 0; i < at.size(); ++i) values[i] = result.values[static_cast<size_t>(at[i])];
  result.values = std::move(values);
  return result;
}

Tensors gemm(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_gemm);
  const double alpha = in.node.float_or("alpha", 1), beta = in.node.float_or("beta", 1);
  const Matrix a = matrix_of(in[0], in.node.int_or("transA", 0));
  const Matrix b = matrix_of(in[1], in.node.int_or("transB", 0));
  std::vector<double> y = matrix_product(a.values, a.shape, b.values, b.shape);
  for (double& value : y) value *= alpha;
  if (in.has(2))
    y = combined<double>(y, type.shape, in[2].to_vector<double>(), in[2].shape(), type.shape,
                         [=](double product, double c) { return product + beta * c; });
  if (is_floating(type.dtype)) return {stored(type.dtype, type.shape, y)};
  return {stored(type.dtype, type.shape, std::vector<int64_t>(y.begin(), y.end()))};
}

HALFTONE_REGISTER(GraphOp, "MatMul", infer_matmul, matmul);
HALFTONE_REGISTER(GraphOp, "Gemm", infer_gemm, gemm);

}  // namespace
}  // namespace halftone
