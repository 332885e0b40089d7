// MatMul, Gemm and Einsum.
#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

NnOutputs matmul(const NnInputs& in) { return {at::matmul(in[0], in[1])}; }

// alpha * op(A) * op(B) + beta * C
NnOutputs gemm(const NnInputs& in) {
  const at::Tensor a = in.node.int_or("transA", 0) ? in[0].t() : in[0];
  const at::Tensor b = in.node.int_or("transB", 0) ? in[1].t() : in[1];
  const float alpha = in.node.float_or("alpha", 1);
  const float beta = in.node.float_or("beta", 1);
  if (!in.has(2)) return {alpha == 1 ? at::mm(a, b) : at::mul(at::mm(a, b), alpha)};
  return {at::addmm(in[2], a, b, beta, alpha)};
}

// ONNX allows spaces where LibTorch does not.
NnOutputs einsum(const NnInputs& in) {
  std::string equation = in.node.string_or("equation", "");
  std::erase(equation, ' ');
  return {at::einsum(equation, at::TensorList(in.values.data(), in.values.size()))};
}

HALFTONE_REGISTER(NnOp, "MatMul", or_reference<matmul>);
HALFTONE_REGISTER(NnOp, "Gemm", on_floats<gemm>);
HALFTONE_REGISTER(NnOp, "Einsum", or_reference<einsum>);

}  // namespace
}  // namespace halftone
