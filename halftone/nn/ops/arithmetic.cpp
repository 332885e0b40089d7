// Add, Sub, Mul, Div, Pow, Mod, and Min, Max, Sum, Mean of any number of inputs.
#include <ATen/ATen.h>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

NnOutputs add(const NnInputs& in) {
  const bool is_plain = in[0].sizes() == in[1].sizes() && in[0].dtype() == in[1].dtype();
  if (is_plain && in.may_overwrite(0)) return {in[0].add_(in[1])};
  if (is_plain && in.may_overwrite(1)) return {in[1].add_(in[0])};
  return {at::add(in[0], in[1])};
}
NnOutputs sub(const NnInputs& in) { return {at::sub(in[0], in[1])}; }
NnOutputs mul(const NnInputs& in) { return {at::mul(in[0], in[1])}; }
// Of floats: LibTorch's integer division traps on the least number by -1.
NnOutputs div(const NnInputs& in) { return {at::div(in[0], in[1])}; }

// The base's type is the result's, whatever the exponent's.
NnOutputs pow(const NnInputs& in) { return {at::pow(in[0], in[1]).to(in[0].scalar_type())}; }

NnOutputs mod(const NnInputs& in) {
  return {in.node.int_or("fmod", 0) ? at::fmod(in[0], in[1]) : at::remainder(in[0], in[1])};
}

template <auto f>
NnOutputs fold(const NnInputs& in) {
  at::Tensor result = in[0];
  for (size_t i = 1; i < in.values.size(); ++i) result = f(result, in[i]);
  return {result};
}

at::Tensor plus(const at::Tensor& a, const at::Tensor& b) { return at::add(a, b); }
at::Tensor larger(const at::Tensor& a, const at::Tensor& b) { return at::maximum(a, b); }
at::Tensor smaller(const at::Tensor& a, const at::Tensor& b) { return at::minimum(a, b); }

NnOutputs mean(const NnInputs& in) {
  return {fold<plus>(in)[0].div(static_cast<int64_t>(in.values.size()))};
}

HALFTONE_REGISTER(NnOp, "Add", or_reference<add>);
HALFTONE_REGISTER(NnOp, "Sub", or_reference<sub>);
HALFTONE_REGISTER(NnOp, "Mul", or_reference<mul>);
HALFTONE_REGISTER(NnOp, "Div", on_floats<div>);
HALFTONE_REGISTER(NnOp, "Pow", on_floats<pow>);
HALFTONE_REGISTER(NnOp, "Mod", on_floats<mod>);
HALFTONE_REGISTER(NnOp, "Min", or_reference<fold<smaller>>);
HALFTONE_REGISTER(NnOp, "Max", or_reference<fold<larger>>);
HALFTONE_REGISTER(NnOp, "Sum", or_reference<fold<plus>>);
HALFTONE_REGISTER(NnOp, "Mean", or_reference<mean>);

}  // namespace
}  // namespace halftone
