// Operators that change the shape and keep the elements in order: Reshape, Flatten, Squeeze,
// Unsqueeze.
#include <algorithm>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/shape_arithmetic.h"

namespace halftone {
namespace {

// The dimensions that `target` asks for; the one to be inferred, if any, stays unknown and its
// position is returned.
struct ReshapeTarget {
  SymbolicShape shape;
  std::optional<size_t> inferred;
};

ReshapeTarget reshape_target(const MaybeShape& input, const SymbolicShape& target,
                             bool keeps_zero) {
  ReshapeTarget result;
  for (size_t i = 0; i < target.size(); ++i) {
    const auto value = value_of(target[i]);
    if (value == -1) {
      if (result.inferred) throw Error("the target shape has two dimensions of -1");
      result.inferred = i;
      result.shape.emplace_back();
    } else if (value && *value < -1) {
      throw Error("the target shape has the dimension ", *value);
    } else if (value == 0 && !keeps_zero) {
      if (input && i >= input->size())
        throw Error("0 at position ", i, " of the target copies a dimension that ",
                    to_string(*input), " lacks");
      result.shape.push_back(input ? (*input)[i] : Dim{});
    } else {
      result.shape.push_back(target[i]);
    }
  }
  return result;
}

// Fills the dimension that was -1. Throws Error where the numbers of elements are known to differ.
SymbolicShape resolved(const MaybeShape& input, ReshapeTarget target) {
  if (!input) return target.shape;
  SymbolicShape others = target.shape;
  if (target.inferred) others.erase(others.begin() + static_cast<std::ptrdiff_t>(*target.inferred));
  const Dim have = product(*input), want = product(others);
  if (!target.inferred) {
    if (have.known() && want.known() && have.value != want.value)
      throw Error(to_string(*input), " cannot become ", to_string(target.shape), ": ", have.value,
                  " elements against ", want.value);
    return target.shape;
  }
  if (want.value == 0) {
    if (have.known() && have.value != 0)
      throw Error(to_string(*input), " cannot become a shape with a dimension of 0");
    throw Error("-1 beside a dimension of 0 can be any number");
  }
  target.shape[*target.inferred] = quotient(*input, others);
  return target.shape;
}

void infer_reshape(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  std::optional<SymbolicShape> target = known_elements(context, 1);
  if (!target && context.node().has("shape")) {
    target.emplace();
    for (int64_t value : context.node().ints_or("shape", {})) target->push_back(element_of(value));
  }
  MaybeShape shape;
  if (target) {
    shape = resolved(input, reshape_target(input, *target, context.node().int_or("allowzero", 0)));
  } else if (const MaybeShape& length = context.input(1).shape; length && length->size() == 1) {
    if ((*length)[0].known() && (*length)[0].value <= 64) shape = unknown_shape((*length)[0].value);
  }
  context.set_output(0, context.input(0).dtype, shape);
  copy_contents(context);
}

void infer_flatten(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  if (!input) return context.set_output(0, context.input(0).dtype, unknown_shape(2));
  const auto rank = static_cast<int64_t>(input->size());
  const int64_t axis = context.node().int_or("axis", 1);
  if (axis < -rank || axis > rank)
    throw Error("axis ", axis, " is out of range for ", to_string(*input));
  const auto split = input->begin() + (axis < 0 ? axis + rank : axis);
  context.set_output(
      0, context.input(0).dtype,
      SymbolicShape{product({input->begin(), split}), product({split, input->end()})});
}

// nullopt: the axes are not known.
std::optional<SymbolicShape> squeezed(const SymbolicShape& input, const IntsArgument& axes) {
  if (axes.is_given && !axes.values) return std::nullopt;
  std::vector<size_t> dropped;
  if (axes.is_given) {
    dropped = normalized_axes(*axes.values, static_cast<int64_t>(input.size()));
  } else {
    if (!std::ranges::all_of(input, &Dim::known)) return std::nullopt;  // any unknown one may be 1
    for (size_t i = 0; i < input.size(); ++i)
      if (input[i].value == 1) dropped.push_back(i);
  }
  SymbolicShape result;
  for (size_t i = 0; i < input.size(); ++i) {
    const bool is_dropped = std::ranges::find(dropped, i) != dropped.end();
    if (is_dropped && input[i].known() && input[i].value != 1)
      throw Error("axis ", i, " of ", to_string(input), " is not 1 and cannot be dropped");
    if (!is_dropped) result.push_back(input[i]);
  }
  return result;
}

void infer_squeeze(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  const IntsArgument axes = ints_argument(context, 1, "axes");
  context.set_output(0, context.input(0).dtype, input ? squeezed(*input, axes) : std::nullopt);
  copy_contents(context);
}

void infer_unsqueeze(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  const IntsArgument argument = ints_argument(context, 1, "axes");
  if (!argument.is_given) throw Error("axes are missing");
  MaybeShape shape;
  if (input && argument.values) {
    shape = *input;
    const auto rank = static_cast<int64_t>(input->size() + argument.values->size());
    for (size_t axis : normalized_axes(*argument.values, rank))
      shape->insert(shape->begin() + static_cast<std::ptrdiff_t>(axis), Dim::of(1));
  }
  context.set_output(0, context.input(0).dtype, shape);
  copy_contents(context);
}

template <auto infer>
Tensors reshaped(const KernelInputs& in) {
  return {in[0].reshaped(output_type(in, infer).shape)};
}

HALFTONE_REGISTER(GraphOp, "Reshape", infer_reshape, reshaped<infer_reshape>);
HALFTONE_REGISTER(GraphOp, "Flatten", infer_flatten, reshaped<infer_flatten>);
HALFTONE_REGISTER(GraphOp, "Squeeze", infer_squeeze, reshaped<infer_squeeze>);
HALFTONE_REGISTER(GraphOp, "Unsqueeze", infer_unsqueeze, reshaped<infer_unsqueeze>);

}  // namespace
}  // namespace halftone
