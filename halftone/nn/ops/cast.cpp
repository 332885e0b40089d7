// Cast and CastLike.
#include <ATen/ATen.h>

#include "halftone/nn/ops/reference.h"
#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

// What is out of an integer type's range LibTorch leaves to the processor, and narrow floats
// saturate as ONNX says: both are the reference kernel's.
NnOutputs cast_to(const NnInputs& in, at::ScalarType type) {
  const at::Tensor& x = in[0];
  const bool truncates = x.is_floating_point() && at::isIntegralType(type, /*includeBool=*/false);
  const bool is_plain = computes_with(type) && computes_with(x.scalar_type()) && !truncates;
  return is_plain ? NnOutputs{x.to(type)} : via_reference(in);
}

NnOutputs cast(const NnInputs& in) {
  if (!in.node.has("to")) throw Error("the attribute to is missing");
  return cast_to(in, scalar_type_of(static_cast<DType>(in.node.int_or("to", 0))));
}

NnOutputs cast_like(const NnInputs& in) { return cast_to(in, in[1].scalar_type()); }

HALFTONE_REGISTER(NnOp, "Cast", cast);
HALFTONE_REGISTER(NnOp, "CastLike", cast_like);

}  // namespace
}  // namespace halftone
