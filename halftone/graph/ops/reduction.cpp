// ReduceSum, ReduceMean, ... : values along some axes to one. Sums run in double for the float
// types.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

// nullopt where the axes are not known.
std::optional<std::vector<size_t>> reduced_axes(const Node& node, const IntsArgument& axes,
                                                size_t rank) {
  if (axes.is_given && !axes.values) return std::nullopt;
  if (axes.values && !axes.values->empty())
    return normalized_axes(*axes.values, static_cast<int64_t>(rank));
  std::vector<size_t> all;
  if (node.int_or("noop_with_empty_axes", 0)) return all;
  for (size_t i = 0; i < rank; ++i) all.push_back(i);
  return all;
}

void infer(InferenceContext& context) {
  const ValueType& x = context.input(0);
  if (!x.shape) return context.set_output(0, x.dtype, std::nullopt);
  const bool keeps_dims = context.node().int_or("keepdims", 1);
  const auto axes =
      reduced_axes(context.node(), ints_argument(context, 1, "axes"), x.shape->size());
  if (!axes)
    return context.set_output(
        0, x.dtype, keeps_dims ? MaybeShape(SymbolicShape(x.shape->size())) : std::nullopt);
  SymbolicShape shape = *x.shape;
  for (size_t i = axes->size(); i-- > 0;) {
    if (keeps_dims)
      shape[(*axes)[i]] = Dim::of(1);
    else
      shape.erase(shape.begin() + static_cast<std::ptrdiff_t>((*axes)[i]));
  }
  context.set_output(0, x.dtype, std::move(shape));
}

// A result in the type of the values; logarithms and roots of integers are truncated, infinity
// becomes the end of the range.
template <typename T, typename R>
T result_in(R value) {
  if constexpr (std::is_floating_point_v<T> || !std::is_floating_point_v<R>)
    return static_cast<T>(value);
  else
    return std::isnan(value)
               ? T{0}
               : static_cast<T>(std::clamp(value, std::is_signed_v<T> ? -9e18 : 0, 9e18));
}

// f: the values of a lane to one value.
template <auto f>
Tensors reduce(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer);
  const auto given = ints_argument(in, 1, "axes");
  const auto axes = *reduced_axes(in.node, {given.has_value(), given}, x.shape().size());
  return {in_domain_of(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Lanes<T> lanes = lanes_of(x.to_vector<T>(), x.shape(), axes);
    const auto length = static_cast<size_t>(lanes.length);
    std::vector<T> result(static_cast<size_t>(element_count(type.shape)));
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = result_in<T>(f(std::span<const T>(lanes.values).subspan(i * length, length)));
    return stored(type.dtype, type.shape, result);
  })};
}

// Sums term(x) over a lane, wrapping around for integers.
template <typename T, typename F>
T sum_of(std::span<const T> lane, const F& term) {
  T sum{0};
  for (T x : lane) sum = wrapping_add(sum, term(x));
  return sum;
}

constexpr auto same = [](auto x) { return x; };
constexpr auto square = [](auto x) { return wrapping_mul(x, x); };
constexpr auto magnitude = []<typename T>(T x) -> T {
  return x < T{0} ? wrapping_sub(T{0}, x) : x;
};

constexpr auto sum = []<typename T>(std::span<const T> lane) { return sum_of(lane, same); };
constexpr auto mean = []<typename T>(std::span<const T> lane) -> T {
  const T total = sum_of(lane, same);
  if constexpr (std::is_floating_point_v<T>) return total / static_cast<T>(lane.size());
  if (lane.empty()) throw Error("the mean of no integers is not a number");
  return total / static_cast<T>(lane.size());
};
constexpr auto product = []<typename T>(std::span<const T> lane) {
  T result{1};
  for (T x : lane) result = wrapping_mul(result, x);
  return result;
};
constexpr auto largest = []<typename T>(std::span<const T> lane) {
  using Limits = std::numeric_limits<T>;
  T result = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  for (T x : lane) result = x > result || x != x ? x : result;
  return result;
};
constexpr auto smallest = []<typename T>(std::span<const T> lane) {
  using Limits = std::numeric_limits<T>;
  T result = Limits::has_infinity ? Limits::infinity() : Limits::max();
  for (T x : lane) result = x < result || x != x ? x : result;
  return result;
};
constexpr auto l1 = []<typename T>(std::span<const T> lane) { return sum_of(lane, magnitude); };
constexpr auto l2 = []<typename T>(std::span<const T> lane) {
  return std::sqrt(static_cast<double>(sum_of(lane, square)));
};
constexpr auto sum_square = []<typename T>(std::span<const T> lane) {
  return sum_of(lane, square);
};
constexpr auto log_sum = []<typename T>(std::span<const T> lane) {
  return std::log(static_cast<double>(sum_of(lane, same)));
};
constexpr auto log_sum_exp = []<typename T>(std::span<const T> lane) -> double {
  const auto top = static_cast<double>(largest(lane));
  if (lane.empty() || std::isinf(top))
    return lane.empty() ? -std::numeric_limits<double>::infinity() : top;
  double total = 0;
  for (T x : lane) total += std::exp(static_cast<double>(x) - top);
  return top + std::log(total);
};

HALFTONE_REGISTER(GraphOp, "ReduceSum", infer, reduce<sum>);
HALFTONE_REGISTER(GraphOp, "ReduceMean", infer, reduce<mean>);
HALFTONE_REGISTER(GraphOp, "ReduceProd", infer, reduce<product>);
HALFTONE_REGISTER(GraphOp, "ReduceMax", infer, reduce<largest>);
HALFTONE_REGISTER(GraphOp, "ReduceMin", infer, reduce<smallest>);
HALFTONE_REGISTER(GraphOp, "ReduceL1", infer, reduce<l1>);
HALFTONE_REGISTER(GraphOp, "ReduceL2", infer, reduce<l2>);
HALFTONE_REGISTER(GraphOp, "ReduceSumSquare", infer, reduce<sum_square>);
HALFTONE_REGISTER(GraphOp, "ReduceLogSum", infer, reduce<log_sum>);
HALFTONE_REGISTER(GraphOp, "ReduceLogSumExp", infer, reduce<log_sum_exp>);

}  // namespace
}  // namespace halftone
