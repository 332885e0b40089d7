// Elementary functions, one number to one number.
#include <ATen/ATen.h>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

template <at::Tensor (*f)(const at::Tensor&)>
NnOutputs map(const NnInputs& in) {
  return {f(in[0])};
}

HALFTONE_REGISTER(NnOp, "Abs", or_reference<map<at::abs>>);
HALFTONE_REGISTER(NnOp, "Neg", or_reference<map<at::neg>>);
HALFTONE_REGISTER(NnOp, "Sign", or_reference<map<at::sign>>);
HALFTONE_REGISTER(NnOp, "Acos", or_reference<map<at::acos>>);
HALFTONE_REGISTER(NnOp, "Acosh", or_reference<map<at::acosh>>);
HALFTONE_REGISTER(NnOp, "Asin", or_reference<map<at::asin>>);
HALFTONE_REGISTER(NnOp, "Asinh", or_reference<map<at::asinh>>);
HALFTONE_REGISTER(NnOp, "Atan", or_reference<map<at::atan>>);
HALFTONE_REGISTER(NnOp, "Atanh", or_reference<map<at::atanh>>);
HALFTONE_REGISTER(NnOp, "Ceil", or_reference<map<at::ceil>>);
HALFTONE_REGISTER(NnOp, "Cos", or_reference<map<at::cos>>);
HALFTONE_REGISTER(NnOp, "Cosh", or_reference<map<at::cosh>>);
HALFTONE_REGISTER(NnOp, "Erf", or_reference<map<at::erf>>);
HALFTONE_REGISTER(NnOp, "Exp", or_reference<map<at::exp>>);
HALFTONE_REGISTER(NnOp, "Floor", or_reference<map<at::floor>>);
HALFTONE_REGISTER(NnOp, "Log", or_reference<map<at::log>>);
HALFTONE_REGISTER(NnOp, "Reciprocal", or_reference<map<at::reciprocal>>);
HALFTONE_REGISTER(NnOp, "Round", or_reference<map<at::round>>);
HALFTONE_REGISTER(NnOp, "Sin", or_reference<map<at::sin>>);
HALFTONE_REGISTER(NnOp, "Sinh", or_reference<map<at::sinh>>);
HALFTONE_REGISTER(NnOp, "Sqrt", or_reference<map<at::sqrt>>);
HALFTONE_REGISTER(NnOp, "Tan", or_reference<map<at::tan>>);
HALFTONE_REGISTER(NnOp, "Tanh", or_reference<map<at::tanh>>);

}  // namespace
}  // namespace halftone
