// Kernels and inference of operators that work element by element.
//
//   HALFTONE_REGISTER(GraphOp, "Sin", same_type_as_input, map_floats<[](double x) { return
//   std::sin(x); }>); HALFTONE_REGISTER(GraphOp, "Add", broadcast_inputs, combine<[](auto a, auto
//   b) { return wrapping_add(a, b); }>);
#pragma once

#include <vector>

#include "halftone/graph/op.h"
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {

// Output 0: type of input 0, the inputs' shapes broadcast together; shape arithmetic is left to
// those who know the operation.
void broadcast_inputs(InferenceContext& context);
// The same with bool as the output's type.
void broadcast_inputs_to_bool(InferenceContext& context);

// Both inputs must have one type (Error).
void require_same_type(const Tensor& a, const Tensor& b);

// Values of a float input, by a function double -> double. Throws Error for other types.
template <typename F>
Tensor mapped_floats(const Tensor& x, const F& f) {
  if (!is_floating(x.dtype()))
    throw Error("a ", name_of(x.dtype()), " tensor where floats are expected");
  std::vector<double> values = x.to_vector<double>();
  for (double& value : values) value = f(value);
  return stored(x.dtype(), x.shape(), values);
}
template <auto f>
Tensors map_floats(const KernelInputs& in) {
  return {mapped_floats(in[0], f)};
}

// Values of any numeric input, by a generic function T -> T.
template <auto f>
Tensors map_numbers(const KernelInputs& in) {
  const Tensor& x = in[0];
  return {in_domain_of(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> values = x.to_vector<T>();
    for (T& value : values) value = f(value);
    return stored(x.dtype(), x.shape(), values);
  })};
}

// f over two tensors broadcast to `shape`.
template <typename R, typename T, typename F>
std::vector<R> combined(const std::vector<T>& a, const Shape& a_shape, const std::vector<T>& b,
                        const Shape& b_shape, const Shape& shape, const F& f) {
  const auto a_at = strided_indices(shape, broadcast_strides(a_shape, shape));
  const auto b_at = strided_indices(shape, broadcast_strides(b_shape, shape));
  std::vector<R> result(a_at.size());
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<R>(f(a[static_cast<size_t>(a_at[i])], b[static_cast<size_t>(b_at[i])]));
  return result;
}

// Two inputs of one type to an output of that type, by a generic function T, T -> T.
template <auto f>
Tensors combine(const KernelInputs& in) {
  require_same_type(in[0], in[1]);
  const TensorType type = output_type(in, broadcast_inputs);
  return {in_domain_of(in[0].dtype(), [&](auto zero) {
    using T = decltype(zero);
    return stored(type.dtype, type.shape,
                  combined<T>(in[0].to_vector<T>(), in[0].shape(), in[1].to_vector<T>(),
                              in[1].shape(), type.shape, f));
  })};
}

// Two inputs of one type to bool.
template <auto f>
Tensors compare(const KernelInputs& in) {
  require_same_type(in[0], in[1]);
  const TensorType type = output_type(in, broadcast_inputs_to_bool);
  return {in_domain_of(in[0].dtype(), [&](auto zero) {
    using T = decltype(zero);
    return Tensor::of_bools(
        type.shape, combined<uint8_t>(in[0].to_vector<T>(), in[0].shape(), in[1].to_vector<T>(),
                                      in[1].shape(), type.shape, f));
  })};
}

}  // namespace halftone
