#include "halftone/graph/ops/elementwise.h"

namespace halftone {
namespace {

MaybeShape broadcast_of_all(const InferenceContext& context) {
  MaybeShape shape = context.input(0).shape;
  for (size_t i = 1; i < context.input_count(); ++i)
    if (context.has(i)) shape = broadcast(shape, context.input(i).shape);
  return shape;
}

}  // namespace

void broadcast_inputs(InferenceContext& context) {
  context.set_output(0, context.input(0).dtype, broadcast_of_all(context));
}

void broadcast_inputs_to_bool(InferenceContext& context) {
  context.set_output(0, DType::kBool, broadcast_of_all(context));
}

void require_same_type(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    throw Error("its inputs have types ", name_of(a.dtype()), " and ", name_of(b.dtype()),
                "; they must be the same");
}

}  // namespace halftone
