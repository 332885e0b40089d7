// Gather, GatherElements, GatherND.
#include <algorithm>

#include "halftone/graph/ops/shape_arithmetic.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

int64_t checked_index(int64_t index, int64_t size) {
  if (index < -size || index >= size)
    throw Error("index ", index, " is out of range for a dimension of ", size);
  return index < 0 ? index + size : index;
}

int64_t product_of(const Shape& shape, size_t begin, size_t end) {
  int64_t result = 1;
  for (size_t i = begin; i < end; ++i) result *= shape[i];
  return result;
}

void gather_contents(InferenceContext& context) {
  const auto elements = known_elements(context, 0);
  const auto indices = known_values(context, 1);
  const MaybeShape& data = context.input(0).shape;
  if (!may_have_contents(context) || !elements || !indices || !data || data->size() != 1) return;
  SymbolicShape result;
  for (int64_t index : *indices)
    result.push_back((*elements)[static_cast<size_t>(
        checked_index(index, static_cast<int64_t>(elements->size())))]);
  context.set_contents(0, std::move(result));
}

void infer_gather(InferenceContext& context) {
  const MaybeShape& data = context.input(0).shape;
  const MaybeShape& indices = context.input(1).shape;
  require_rank(data, 1, "the data");
  MaybeShape shape;
  if (data && indices) {
    shape = *data;
    const size_t axis =
        normalized_axis(context.node().int_or("axis", 0), static_cast<int64_t>(data->size()));
    const auto at = shape->erase(shape->begin() + static_cast<std::ptrdiff_t>(axis));
    shape->insert(at, indices->begin(), indices->end());
  }
  context.set_output(0, context.input(0).dtype, shape);
  gather_contents(context);
}

Tensors gather(const KernelInputs& in) {
  const Tensor& data = in[0];
  const TensorType type = output_type(in, infer_gather);
  const size_t axis = normalized_axis(in.node.int_or("axis", 0), data.rank());
  const int64_t size = data.shape()[axis];
  const int64_t outer = product_of(data.shape(), 0, axis);
  const int64_t inner = product_of(data.shape(), axis + 1, data.shape().size());
  const std::vector<int64_t> indices = in[1].to_vector<int64_t>();
  TensorBuilder out(type.dtype, type.shape);
  int64_t to = 0;
  for (int64_t row = 0; row < outer; ++row)
    for (int64_t index : indices) {
      out.copy(to, data, (row * size + checked_index(index, size)) * inner, inner);
      to += inner;
    }
  return {std::move(out).finish()};
}

void infer_gather_elements(InferenceContext& context) {
  const MaybeShape& data = context.input(0).shape;
  const MaybeShape& indices = context.input(1).shape;
  if (data && indices && data->size() != indices->size())
    throw Error("data of shape ", to_string(*data), " and indices of ", to_string(*indices),
                " differ in rank");
  require_rank(data, 1, "the data");
  context.set_output(0, context.input(0).dtype, indices);
}

Tensors gather_elements(const KernelInputs& in) {
  const Tensor& data = in[0];
  const TensorType type = output_type(in, infer_gather_elements);
  const size_t axis = normalized_axis(in.node.int_or("axis", 0), data.rank());
  for (size_t i = 0; i < type.shape.size(); ++i)
    if (i != axis && type.shape[i] > data.shape()[i])
      throw Error("indices of shape ", to_string(type.shape), " reach beyond data of ",
                  to_string(data.shape()));
  std::vector<int64_t> strides = strides_of(data.shape());
  const int64_t stride = strides[axis];
  strides[axis] = 0;
  std::vector<int64_t> at = strided_indices(type.shape, strides);
  const std::vector<int64_t> indices = in[1].to_vector<int64_t>();
  for (size_t i = 0; i < at.size(); ++i)
    at[i] += checked_index(indices[i], data.shape()[axis]) * stride;
  return {picked(data, type.shape, at)};
}

void infer_gather_nd(InferenceContext& context) {
  const MaybeShape& data = context.input(0).shape;
  const MaybeShape& indices = context.input(1).shape;
  require_rank(data, 1, "the data");
  require_rank(indices, 1, "the indices");
  MaybeShape shape;
  const int64_t batch = context.node().int_or("batch_dims", 0);
  if (data && indices && indices->back().known()) {
    const int64_t depth = indices->back().value;  // coordinates that an index gives
    if (batch < 0 || batch >= static_cast<int64_t>(indices->size()) || depth < 1 ||
        depth > static_cast<int64_t>(data->size()) - batch)
      throw Error("indices of shape ", to_string(*indices), " with batch_dims ", batch,
                  " do not fit data of ", to_string(*data));
    shape.emplace(indices->begin(), indices->end() - 1);
    for (size_t i = 0; i < static_cast<size_t>(batch); ++i)
      (*shape)[i] = unified((*data)[i], (*shape)[i], "a batch dimension");
    shape->insert(shape->end(), data->begin() + batch + depth, data->end());
  }
  context.set_output(0, context.input(0).dtype, shape);
}

Tensors gather_nd(const KernelInputs& in) {
  const Tensor& data = in[0];
  const TensorType type = output_type(in, infer_gather_nd);
  const auto batch = static_cast<size_t>(in.node.int_or("batch_dims", 0));
  const std::vector<int64_t> indices = in[1].to_vector<int64_t>();
  const auto depth = static_cast<size_t>(in[1].shape().back());
  const std::vector<int64_t> strides = strides_of(data.shape());
  const int64_t run = product_of(data.shape(), batch + depth, data.shape().size());
  const auto count = static_cast<int64_t>(indices.size() / depth);
  const int64_t batches = product_of(data.shape(), 0, batch);
  const int64_t batch_stride = product_of(data.shape(), batch, data.shape().size());
  TensorBuilder out(type.dtype, type.shape);
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = i / (count / batches) * batch_stride;
    for (size_t k = 0; k < depth; ++k)
      at += checked_index(indices[static_cast<size_t>(i) * depth + k], data.shape()[batch + k]) *
            strides[batch + k];
    out.copy(i * run, data, at, run);
  }
  return {std::move(out).finish()};
}

HALFTONE_REGISTER(GraphOp, "Gather", infer_gather, gather);
HALFTONE_REGISTER(GraphOp, "GatherElements", infer_gather_elements, gather_elements);
HALFTONE_REGISTER(GraphOp, "GatherND", infer_gather_nd, gather_nd);

}  // namespace
}  // namespace halftone
