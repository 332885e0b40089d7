// Equal, Less, Greater and their kin, And, Or, Xor, Not, Where, and the bitwise logic of integers.
#include <ATen/ATen.h>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

using Combination = at::Tensor (*)(const at::Tensor&, const at::Tensor&);

template <Combination f>
NnOutputs combine(const NnInputs& in) {
  return {f(in[0], in[1])};
}

NnOutputs logical_not(const NnInputs& in) { return {at::logical_not(in[0])}; }
NnOutputs bitwise_not(const NnInputs& in) { return {at::bitwise_not(in[0])}; }
NnOutputs where(const NnInputs& in) { return {at::where(in[0], in[1], in[2])}; }
NnOutputs is_nan(const NnInputs& in) { return {at::isnan(in[0])}; }

NnOutputs is_inf(const NnInputs& in) {
  const bool negative = in.node.int_or("detect_negative", 1);
  const bool positive = in.node.int_or("detect_positive", 1);
  if (negative && positive) return {at::isinf(in[0])};
  if (positive) return {at::isposinf(in[0])};
  return {negative ? at::isneginf(in[0]) : at::zeros_like(in[0], in[0].options().dtype(at::kBool))};
}

HALFTONE_REGISTER(NnOp, "Equal", or_reference<combine<at::eq>>);
HALFTONE_REGISTER(NnOp, "Less", or_reference<combine<at::lt>>);
HALFTONE_REGISTER(NnOp, "LessOrEqual", or_reference<combine<at::le>>);
HALFTONE_REGISTER(NnOp, "Greater", or_reference<combine<at::gt>>);
HALFTONE_REGISTER(NnOp, "GreaterOrEqual", or_reference<combine<at::ge>>);
HALFTONE_REGISTER(NnOp, "And", combine<at::logical_and>);
HALFTONE_REGISTER(NnOp, "Or", combine<at::logical_or>);
HALFTONE_REGISTER(NnOp, "Xor", combine<at::logical_xor>);
HALFTONE_REGISTER(NnOp, "Not", logical_not);
HALFTONE_REGISTER(NnOp, "Where", or_reference<where>);
HALFTONE_REGISTER(NnOp, "IsNaN", or_reference<is_nan>);
HALFTONE_REGISTER(NnOp, "IsInf", or_reference<is_inf>);
HALFTONE_REGISTER(NnOp, "BitwiseAnd", or_reference<combine<at::bitwise_and>>);
HALFTONE_REGISTER(NnOp, "BitwiseOr", or_reference<combine<at::bitwise_or>>);
HALFTONE_REGISTER(NnOp, "BitwiseXor", or_reference<combine<at::bitwise_xor>>);
HALFTONE_REGISTER(NnOp, "BitwiseNot", or_reference<bitwise_not>);

}  // namespace
}  // namespace halftone
