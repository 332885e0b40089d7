// Equal, Less, Greater and their kin, And, Or, Xor, and Where.
#include "halftone/graph/ops/elementwise.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

constexpr auto equal = [](auto a, auto b) { return a == b; };
constexpr auto less = [](auto a, auto b) { return a < b; };
constexpr auto less_or_equal = [](auto a, auto b) { return a <= b; };
constexpr auto greater = [](auto a, auto b) { return a > b; };
constexpr auto greater_or_equal = [](auto a, auto b) { return a >= b; };
constexpr auto both = [](auto a, auto b) { return a != 0 && b != 0; };
constexpr auto either = [](auto a, auto b) { return a != 0 || b != 0; };
constexpr auto exactly_one = [](auto a, auto b) { return (a != 0) != (b != 0); };

Tensors equal_values(const KernelInputs& in) {
  if (in[0].dtype() != DType::kString) return compare<equal>(in);
  require_same_type(in[0], in[1]);
  const TensorType type = output_type(in, broadcast_inputs_to_bool);
  return {Tensor::of_bools(
      type.shape, combined<uint8_t>(in[0].strings(), in[0].shape(), in[1].strings(), in[1].shape(),
                                    type.shape, equal))};
}

void infer_where(InferenceContext& context) {
  const DType dtype = context.input(1).dtype;
  context.set_output(
      0, dtype != DType::kUndefined ? dtype : context.input(2).dtype,
      broadcast(context.input(0).shape, broadcast(context.input(1).shape, context.input(2).shape)));
}

Tensors where(const KernelInputs& in) {
  require_same_type(in[1], in[2]);
  const TensorType type = output_type(in, infer_where);
  const auto positions = [&](size_t i) {
    return strided_indices(type.shape, broadcast_strides(in[i].shape(), type.shape));
  };
  const auto condition_at = positions(0), x_at = positions(1), y_at = positions(2);
  const auto condition = in[0].elements<bool>();
  TensorBuilder out(type.dtype, type.shape);
  for (size_t i = 0; i < x_at.size(); ++i) {
    if (condition[static_cast<size_t>(condition_at[i])])
      out.copy(static_cast<int64_t>(i), in[1], x_at[i], 1);
    else
      out.copy(static_cast<int64_t>(i), in[2], y_at[i], 1);
  }
  return {std::move(out).finish()};
}

constexpr auto infer = broadcast_inputs_to_bool;

HALFTONE_REGISTER(GraphOp, "Equal", infer, equal_values);
HALFTONE_REGISTER(GraphOp, "Less", infer, compare<less>);
HALFTONE_REGISTER(GraphOp, "LessOrEqual", infer, compare<less_or_equal>);
HALFTONE_REGISTER(GraphOp, "Greater", infer, compare<greater>);
HALFTONE_REGISTER(GraphOp, "GreaterOrEqual", infer, compare<greater_or_equal>);
HALFTONE_REGISTER(GraphOp, "And", infer, compare<both>);
HALFTONE_REGISTER(GraphOp, "Or", infer, compare<either>);
HALFTONE_REGISTER(GraphOp, "Xor", infer, compare<exactly_one>);
HALFTONE_REGISTER(GraphOp, "Where", infer_where, where);

}  // namespace
}  // namespace halftone
