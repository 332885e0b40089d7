// Constant, ConstantOfShape, Identity, Dropout (as in inference), Shape, Size.
#include <algorithm>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/shape_arithmetic.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

template <typename T>
Tensor vector_of(std::vector<T> values) {
  const auto count = static_cast<int64_t>(values.size());
  return Tensor::of<T>({count}, std::move(values));
}

Tensor constant_value(const Node& node) {
  if (const Tensor* value = node.tensor("value")) return *value;
  if (node.has("value_float")) return Tensor::scalar(node.float_or("value_float", 0));
  if (node.has("value_int")) return Tensor::scalar(node.int_or("value_int", 0));
  if (node.has("value_string")) return Tensor::of_strings({}, {node.string_or("value_string", "")});
  if (node.has("value_floats")) return vector_of(node.floats_or("value_floats", {}));
  if (node.has("value_ints")) return vector_of(node.ints_or("value_ints", {}));
  const auto found = node.attributes.find("value_strings");
  if (found != node.attributes.end())
    if (const auto* strings = std::get_if<std::vector<std::string>>(&found->second))
      return Tensor::of_strings({static_cast<int64_t>(strings->size())}, *strings);
  throw Error(
      "a Constant has one of the attributes value, value_float(s), value_int(s), value_string(s); ",
      "this one has none that is understood (sparse_value is not)");
}

void infer_constant(InferenceContext& context) {
  const Tensor value = constant_value(context.node());
  const ValueType type = type_of(value);
  context.set_output(0, type.dtype, type.shape);
  constexpr int64_t kMostElementsKept = 64;
  if (!may_have_contents(context) || value.count() > kMostElementsKept) return;
  SymbolicShape elements;
  for (int64_t element : value.elements<int64_t>()) elements.push_back(element_of(element));
  context.set_contents(0, std::move(elements));
}

Tensors constant(const KernelInputs& in) { return {constant_value(in.node)}; }

Tensor fill_value(const Node& node) {
  const Tensor* value = node.tensor("value");
  if (!value) return Tensor::of<float>({1}, {0});
  if (value->count() != 1) throw Error("the attribute value has shape ", to_string(value->shape()));
  return *value;
}

// Elements that say a shape, as that shape.
SymbolicShape shape_from(const SymbolicShape& elements) {
  for (const Dim& element : elements)
    if (value_of(element).value_or(0) < 0)
      throw Error("the shape has a negative dimension, ", element.symbol);
  return elements;
}

void infer_constant_of_shape(InferenceContext& context) {
  const Tensor fill = fill_value(context.node());
  MaybeShape shape;
  if (const auto elements = known_elements(context, 0))
    shape = shape_from(*elements);
  else if (const auto& type = context.input(0).shape;
           type && type->size() == 1 && (*type)[0].known())
    shape = unknown_shape(std::min<int64_t>((*type)[0].value, 64));
  context.set_output(0, fill.dtype(), shape);
  if (!may_have_contents(context) || shape->size() != 1 || (*shape)[0].value > 64 ||
      !(*shape)[0].known())
    return;
  context.set_contents(
      0, SymbolicShape(static_cast<size_t>((*shape)[0].value), element_of(fill.item<int64_t>())));
}

Tensors constant_of_shape(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_constant_of_shape);
  const Tensor fill = fill_value(in.node);
  const int64_t count = element_count(type.shape);
  TensorBuilder out(type.dtype, type.shape);
  for (int64_t i = 0; i < count; ++i) out.copy(i, fill, 0, 1);
  return {std::move(out).finish()};
}

void infer_identity(InferenceContext& context) {
  same_type_as_input(context);
  copy_contents(context);
}

Tensors identity(const KernelInputs& in) { return {in[0]}; }

void infer_dropout(InferenceContext& context) {
  same_type_as_input(context);
  context.set_output(1, DType::kBool, context.input(0).shape);
}

// The mask keeps everything: dropping is the training executor's business.
Tensors dropout(const KernelInputs& in) {
  const double ratio = in.has(1) ? in[1].item<double>() : in.node.float_or("ratio", 0.5f);
  if (in.has(2) && in[2].item<int64_t>() && ratio != 0)
    throw Error("it is in training mode with ratio ", ratio, ", whose result is random");
  std::vector<uint8_t> mask(static_cast<size_t>(in[0].count()), 1);
  return {in[0], Tensor::of_bools(in[0].shape(), std::move(mask))};
}

// The dimensions of a tensor of `rank` that the attributes start and end ask for.
std::pair<int64_t, int64_t> shape_range(const Node& node, int64_t rank) {
  const auto bound = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = bound(node.int_or("start", 0));
  return {start, std::max(start, bound(node.int_or("end", rank)))};
}

void infer_shape(InferenceContext& context) {
  const MaybeShape& shape = context.input(0).shape;
  if (!shape) return context.set_output(0, DType::kInt64, unknown_shape(1));
  const auto [start, end] = shape_range(context.node(), static_cast<int64_t>(shape->size()));
  context.set_output(0, DType::kInt64, SymbolicShape{Dim::of(end - start)});
  context.set_contents(0, {shape->begin() + start, shape->begin() + end});
}

Tensors shape_of(const KernelInputs& in) {
  const Shape& shape = in[0].shape();
  const auto [start, end] = shape_range(in.node, in[0].rank());
  return {vector_of(std::vector<int64_t>(shape.begin() + start, shape.begin() + end))};
}

void infer_size(InferenceContext& context) {
  context.set_output(0, DType::kInt64, SymbolicShape{});
  if (context.input(0).shape) context.set_contents(0, {product(*context.input(0).shape)});
}

Tensors size_of(const KernelInputs& in) { return {Tensor::scalar<int64_t>(in[0].count())}; }

HALFTONE_REGISTER(GraphOp, "Constant", infer_constant, constant);
HALFTONE_REGISTER(GraphOp, "ConstantOfShape", infer_constant_of_shape, constant_of_shape);
HALFTONE_REGISTER(GraphOp, "Identity", infer_identity, identity);
HALFTONE_REGISTER(GraphOp, "Dropout", infer_dropout, dropout);
HALFTONE_REGISTER(GraphOp, "Shape", infer_shape, shape_of);
HALFTONE_REGISTER(GraphOp, "Size", infer_size, size_of);

}  // namespace
}  // namespace halftone
