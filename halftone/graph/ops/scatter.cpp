// ScatterElements (and Scatter, its old name) and ScatterND.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

int64_t checked_index(int64_t index, int64_t size) {
  if (index < -size || index >= size)
    throw Error("index ", index, " is out of range for a dimension of ", size);
  return index < 0 ? index + size : index;
}

template <typename T>
T reduced(T old, T update, const std::string& reduction) {
  if (reduction == "add") return wrapping_add(old, update);
  if (reduction == "mul") return wrapping_mul(old, update);
  if (reduction == "max") return update > old ? update : old;
  if (reduction == "min") return update < old ? update : old;
  throw Error("reduction is '", reduction, "'; known are none, add, mul, max, min");
}

// data with updates[i] put at, or combined into, position at[i].
Tensor scattered(const Tensor& data, const std::vector<int64_t>& at, const Tensor& updates,
                 const std::string& reduction) {
  if (updates.dtype() != data.dtype())
    throw Error("updates are ", name_of(updates.dtype()), ", data is ", name_of(data.dtype()));
  if (reduction == "none") {
    TensorBuilder out(data.dtype(), data.shape());
    out.copy(0, data, 0, data.count());
    for (size_t i = 0; i < at.size(); ++i) out.copy(at[i], updates, static_cast<int64_t>(i), 1);
    return std::move(out).finish();
  }
  return in_domain_of(data.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> values = data.to_vector<T>();
    const std::vector<T> news = updates.to_vector<T>();
    for (size_t i = 0; i < at.size(); ++i) {
      T& value = values[static_cast<size_t>(at[i])];
      value = reduced(value, news[i], reduction);
    }
    return stored(data.dtype(), data.shape(), values);
  });
}

Tensors scatter_elements(const KernelInputs& in) {
  const Tensor& data = in[0];
  const Shape& shape = in[1].shape();
  if (shape.size() != data.shape().size() || in[2].shape() != shape)
    throw Error("data ", to_string(data.shape()), ", indices ", to_string(shape), " and updates ",
                to_string(in[2].shape()), " do not fit");
  const size_t axis = normalized_axis(in.node.int_or("axis", 0), data.rank());
  for (size_t i = 0; i < shape.size(); ++i)
    if (i != axis && shape[i] > data.shape()[i])
      throw Error("indices of shape ", to_string(shape), " reach beyond data of ",
                  to_string(data.shape()));
  std::vector<int64_t> strides = strides_of(data.shape());
  const int64_t stride = strides[axis];
  strides[axis] = 0;
  std::vector<int64_t> at = strided_indices(shape, strides);
  const std::vector<int64_t> indices = in[1].to_vector<int64_t>();
  for (size_t i = 0; i < at.size(); ++i)
    at[i] += checked_index(indices[i], data.shape()[axis]) * stride;
  return {scattered(data, at, in[2], in.node.string_or("reduction", "none"))};
}

Tensors scatter_nd(const KernelInputs& in) {
  const Tensor& data = in[0];
  const Tensor& indices = in[1];
  if (indices.rank() < 1 || indices.shape().back() < 1 || indices.shape().back() > data.rank())
    throw Error("indices of shape ", to_string(indices.shape()), " do not fit data of ",
                to_string(data.shape()));
  const auto depth = indices.shape().back();
  Shape expected(indices.shape().begin(), indices.shape().end() - 1);
  const Shape inner(data.shape().begin() + depth, data.shape().end());
  expected.insert(expected.end(), inner.begin(), inner.end());
  if (in[2].shape() != expected)
    throw Error("updates have shape ", to_string(in[2].shape()), " instead of ",
                to_string(expected));
  const std::vector<int64_t> strides = strides_of(data.shape());
  const std::vector<int64_t> coordinates = indices.to_vector<int64_t>();
  const int64_t run = element_count(inner);
  std::vector<int64_t> at;
  for (size_t i = 0; i < coordinates.size(); i += static_cast<size_t>(depth)) {
    int64_t start = 0;
    for (size_t k = 0; k < static_cast<size_t>(depth); ++k)
      start += checked_index(coordinates[i + k], data.shape()[k]) * strides[k];
    for (int64_t k = 0; k < run; ++k) at.push_back(start + k);
  }
  return {scattered(data, at, in[2], in.node.string_or("reduction", "none"))};
}

HALFTONE_REGISTER(GraphOp, "ScatterElements", same_type_as_input, scatter_elements);
HALFTONE_REGISTER(GraphOp, "Scatter", same_type_as_input, scatter_elements);
HALFTONE_REGISTER(GraphOp, "ScatterND", same_type_as_input, scatter_nd);

}  // namespace
}  // namespace halftone
