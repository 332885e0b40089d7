#include <ATen/ATen.h>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

// alpha * op(A) * op(B) + beta * C
std::vector<at::Tensor> gemm(const NnInputs& in) {
  const at::Tensor a = in.node.int_or("transA", 0) ? in[0].t() : in[0];
  const at::Tensor b = in.node.int_or("transB", 0) ? in[1].t() : in[1];
  const float alpha = in.node.float_or("alpha", 1);
  const float beta = in.node.float_or("beta", 1);
  if (!in.has(2)) return {alpha == 1 ? at::mm(a, b) : at::mul(at::mm(a, b), alpha)};
  return {at::addmm(in[2], a, b, beta, alpha)};
}

HALFTONE_REGISTER(NnOp, "Gemm", gemm);
HALFTONE_REGISTER(NnOp, "MatMul", [](const NnInputs& in) { return std::vector{at::matmul(in[0], in[1])}; });

}  // namespace
}  // namespace halftone
