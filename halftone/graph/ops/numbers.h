// The three kinds of numbers in which reference kernels compute, so that a kernel is written once
// for all element types: double for the float types, uint64_t for uint64, int64_t for every other
// integer and bool.
//
//   return in_domain_of(x.dtype(), [&](auto zero) {
//     using T = decltype(zero);
//     std::vector<T> values = x.to_vector<T>();
//     ...
//     return stored(x.dtype(), x.shape(), values);
//   });
//
// Rounding a double result to float32 once gives the correctly rounded float32 sum, product,
// quotient and square root. Integers wrap around on storing, as numpy's do.
#pragma once

#include <cstdint>
#include <vector>

#include "halftone/graph/tensor.h"

namespace halftone {

template <typename F>
auto in_domain_of(DType dtype, const F& compute) {
  if (is_floating(dtype)) return compute(double{});
  if (dtype == DType::kUint64) return compute(uint64_t{});
  if (is_integer(dtype) || dtype == DType::kBool) return compute(int64_t{});
  throw Error("a ", name_of(dtype), " tensor stands where numbers are expected");
}

// The values in an element type: floats round to nearest even, integers wrap around, bool is 0
// or 1. The first form is for float types, the others for integer types, bool and float types.
Tensor stored(DType dtype, Shape shape, const std::vector<double>& values);
Tensor stored(DType dtype, Shape shape, const std::vector<int64_t>& values);
Tensor stored(DType dtype, Shape shape, const std::vector<uint64_t>& values);

// Sum, difference and product that wrap around instead of overflowing.
template <typename T>
T wrapping_add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <typename T>
T wrapping_sub(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a - b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
template <typename T>
T wrapping_mul(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

}  // namespace halftone
