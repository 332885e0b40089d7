// Transpose, Expand, Tile: the same elements seen through other strides.
#include <algorithm>
#include <numeric>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

std::vector<size_t> permutation(const Node& node, size_t rank) {
  std::vector<int64_t> reversed(rank);
  for (size_t i = 0; i < rank; ++i) reversed[i] = static_cast<int64_t>(rank - 1 - i);
  const std::vector<int64_t> perm = node.ints_or("perm", reversed);
  if (perm.size() != rank || normalized_axes(perm, static_cast<int64_t>(rank)).size() != rank)
    throw Error("perm is ", to_string(perm), " for an input of ", rank, " dimensions");
  std::vector<size_t> result;
  for (int64_t axis : perm) result.push_back(normalized_axis(axis, static_cast<int64_t>(rank)));
  return result;
}

void infer_transpose(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  MaybeShape shape;
  if (input) {
    shape.emplace();
    for (size_t axis : permutation(context.node(), input->size())) shape->push_back((*input)[axis]);
  }
  context.set_output(0, context.input(0).dtype, shape);
}

Tensors transpose(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_transpose);
  const std::vector<int64_t> own = strides_of(in[0].shape());
  std::vector<int64_t> strides;
  for (size_t axis : permutation(in.node, own.size())) strides.push_back(own[axis]);
  return {picked(in[0], type.shape, strided_indices(type.shape, strides))};
}

void infer_expand(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  const auto elements = known_elements(context, 1);
  MaybeShape shape;
  if (input && elements) {
    for (const Dim& element : *elements)
      if (value_of(element).value_or(0) < 0)
        throw Error("the shape has a negative dimension, ", element.symbol);
    shape = broadcast(*input, *elements);
  } else if (const MaybeShape& length = context.input(1).shape;
             input && length && length->size() == 1) {
    if ((*length)[0].known() && (*length)[0].value <= 64)
      shape = unknown_shape(std::max(static_cast<int64_t>(input->size()), (*length)[0].value));
  }
  context.set_output(0, context.input(0).dtype, shape);
}

Tensors expand(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_expand);
  return {picked(in[0], type.shape,
                 strided_indices(type.shape, broadcast_strides(in[0].shape(), type.shape)))};
}

void infer_tile(InferenceContext& context) {
  const MaybeShape& input = context.input(0).shape;
  const auto repeats = known_elements(context, 1);
  MaybeShape shape;
  if (input) {
    shape = unknown_shape(static_cast<int64_t>(input->size()));
    if (repeats && repeats->size() != input->size())
      throw Error("repeats has ", repeats->size(), " values for an input of shape ",
                  to_string(*input));
    for (size_t i = 0; repeats && i < shape->size(); ++i) {
      if (value_of((*repeats)[i]).value_or(0) < 0)
        throw Error("a negative repeat, ", (*repeats)[i].symbol);
      (*shape)[i] = product({(*input)[i], (*repeats)[i]});
    }
  }
  context.set_output(0, context.input(0).dtype, shape);
}

Tensors tile(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_tile);
  // [a, b] repeated r and s times is [r, a, s, b] with strides 0 along r and s.
  const std::vector<int64_t> own = strides_of(in[0].shape());
  const std::vector<int64_t> repeats = in[1].to_vector<int64_t>();
  Shape shape;
  std::vector<int64_t> strides;
  for (size_t i = 0; i < own.size(); ++i) {
    shape.insert(shape.end(), {repeats[i], in[0].shape()[i]});
    strides.insert(strides.end(), {0, own[i]});
  }
  return {picked(in[0], type.shape, strided_indices(shape, strides))};
}

HALFTONE_REGISTER(GraphOp, "Transpose", infer_transpose, transpose);
HALFTONE_REGISTER(GraphOp, "Expand", infer_expand, expand);
HALFTONE_REGISTER(GraphOp, "Tile", infer_tile, tile);

}  // namespace
}  // namespace halftone
