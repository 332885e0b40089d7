// Add, Sub, Mul, Div, Pow, Mod, and Min, Max, Sum, Mean of any number of inputs.
#include <cmath>

#include "halftone/graph/ops/elementwise.h"
#include "halftone/graph/ops/shape_arithmetic.h"

namespace halftone {
namespace {

constexpr auto add = [](auto a, auto b) { return wrapping_add(a, b); };
constexpr auto subtract = [](auto a, auto b) { return wrapping_sub(a, b); };
constexpr auto multiply = [](auto a, auto b) { return wrapping_mul(a, b); };
constexpr auto divide = []<typename T>(T a, T b) -> T {
  if constexpr (std::is_floating_point_v<T>) return a / b;
  if (b == T{0}) throw Error("integer division by zero");
  if (b == static_cast<T>(-1))
    return std::is_signed_v<T> ? wrapping_sub(T{0}, a) : a / b;  // min / -1 traps
  return a / b;
};

Dim add_elements(const Dim& a, const Dim& b) { return plus(a, b); }
Dim subtract_elements(const Dim& a, const Dim& b) { return b.value == 0 ? a : Dim{}; }
Dim multiply_elements(const Dim& a, const Dim& b) { return product({a, b}); }
Dim divide_elements(const Dim& a, const Dim& b) { return b.value == 1 ? a : Dim{}; }

template <auto on_values, auto on_elements>
void infer_arithmetic(InferenceContext& context) {
  broadcast_inputs(context);
  combine_contents(context, on_values, on_elements);
}

// Fractions are dropped where the base is of an integer type.
int64_t integer_of(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 9.2e18) return INT64_MAX;
  return value <= -9.2e18 ? INT64_MIN : static_cast<int64_t>(value);
}

int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) throw Error("zero to the negative power ", exponent);
    return base == 1 || base == -1 ? (exponent % 2 ? base : 1) : 0;
  }
  int64_t result = 1;
  for (; exponent; exponent >>= 1, base = wrapping_mul(base, base))
    if (exponent & 1) result = wrapping_mul(result, base);
  return result;
}

Tensors power(const KernelInputs& in) {
  const Tensor& base = in[0];
  const Tensor& exponent = in[1];
  const TensorType type = output_type(in, broadcast_inputs);
  if (!is_floating(base.dtype()) && !is_floating(exponent.dtype()))
    return {stored(
        type.dtype, type.shape,
        combined<int64_t>(base.to_vector<int64_t>(), base.shape(), exponent.to_vector<int64_t>(),
                          exponent.shape(), type.shape, integer_power))};
  const std::vector<double> powers = combined<double>(
      base.to_vector<double>(), base.shape(), exponent.to_vector<double>(), exponent.shape(),
      type.shape, [](double a, double b) { return std::pow(a, b); });
  if (is_floating(type.dtype)) return {stored(type.dtype, type.shape, powers)};
  std::vector<int64_t> integers;
  for (double value : powers) integers.push_back(integer_of(value));
  return {stored(type.dtype, type.shape, integers)};
}

// The remainder with the divisor's sign, as Python's.
constexpr auto modulo = []<typename T>(T a, T b) -> T {
  if constexpr (std::is_floating_point_v<T>) {
    const T rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  } else {
    if (b == T{0}) throw Error("integer division by zero");
    if (b == static_cast<T>(-1) && std::is_signed_v<T>) return 0;
    const T rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
};
// The remainder with the dividend's sign, as C's.
constexpr auto remainder_like_c = []<typename T>(T a, T b) -> T {
  if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
  if constexpr (!std::is_floating_point_v<T>) {
    if (b == T{0}) throw Error("integer division by zero");
    return b == static_cast<T>(-1) && std::is_signed_v<T> ? T{0} : a % b;
  }
};

Tensors mod(const KernelInputs& in) {
  return in.node.int_or("fmod", 0) ? combine<remainder_like_c>(in) : combine<modulo>(in);
}

// NaN wins, as in numpy's minimum and maximum.
constexpr auto smaller = [](auto a, auto b) { return a != a || a < b ? a : b; };
constexpr auto larger = [](auto a, auto b) { return a != a || a > b ? a : b; };

template <typename T, typename F>
std::vector<T> folded(const KernelInputs& in, const Shape& shape, const F& f) {
  std::vector<T> result;
  for (size_t i = 0; i < in.size(); ++i) {
    require_same_type(in[0], in[i]);
    if (i == 0) {
      const std::vector<T> first = in[0].to_vector<T>();
      for (int64_t at : strided_indices(shape, broadcast_strides(in[0].shape(), shape)))
        result.push_back(first[static_cast<size_t>(at)]);
    } else {
      result = combined<T>(result, shape, in[i].to_vector<T>(), in[i].shape(), shape, f);
    }
  }
  return result;
}

template <auto f>
Tensors fold_inputs(const KernelInputs& in) {
  const TensorType type = output_type(in, broadcast_inputs);
  return {in_domain_of(type.dtype, [&](auto zero) {
    return stored(type.dtype, type.shape, folded<decltype(zero)>(in, type.shape, f));
  })};
}

Tensors mean(const KernelInputs& in) {
  const TensorType type = output_type(in, broadcast_inputs);
  std::vector<double> values = folded<double>(in, type.shape, add);
  for (double& value : values) value /= static_cast<double>(in.size());
  return {stored(type.dtype, type.shape, values)};
}

HALFTONE_REGISTER(GraphOp, "Add", infer_arithmetic<add, add_elements>, combine<add>);
HALFTONE_REGISTER(GraphOp, "Sub", infer_arithmetic<subtract, subtract_elements>, combine<subtract>);
HALFTONE_REGISTER(GraphOp, "Mul", infer_arithmetic<multiply, multiply_elements>, combine<multiply>);
HALFTONE_REGISTER(GraphOp, "Div", infer_arithmetic<divide, divide_elements>, combine<divide>);
HALFTONE_REGISTER(GraphOp, "Pow", broadcast_inputs, power);
HALFTONE_REGISTER(GraphOp, "Mod", broadcast_inputs, mod);
HALFTONE_REGISTER(GraphOp, "Min", broadcast_inputs, fold_inputs<smaller>);
HALFTONE_REGISTER(GraphOp, "Max", broadcast_inputs, fold_inputs<larger>);
HALFTONE_REGISTER(GraphOp, "Sum", broadcast_inputs, fold_inputs<add>);
HALFTONE_REGISTER(GraphOp, "Mean", broadcast_inputs, mean);

}  // namespace
}  // namespace halftone
