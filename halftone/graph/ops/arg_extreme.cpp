// ArgMax, ArgMin, TopK: where the largest or smallest values along an axis stand.
#include <algorithm>
#include <numeric>
#include <span>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

void infer_arg(InferenceContext& context) {
  MaybeShape shape = context.input(0).shape;
  if (shape) {
    const size_t axis =
        normalized_axis(context.node().int_or("axis", 0), static_cast<int64_t>(shape->size()));
    if ((*shape)[axis].value == 0)
      throw Error("there is nothing along axis ", axis, " of ", to_string(*shape));
    (*shape)[axis] = Dim::of(1);
    if (!context.node().int_or("keepdims", 1))
      shape->erase(shape->begin() + static_cast<std::ptrdiff_t>(axis));
  }
  context.set_output(0, DType::kInt64, shape);
}

constexpr auto larger = [](auto a, auto b) { return a > b; };
constexpr auto smaller = [](auto a, auto b) { return a < b; };

template <auto is_better>
Tensors arg_extreme(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_arg);
  const bool takes_last = in.node.int_or("select_last_index", 0);
  std::vector<int64_t> result(static_cast<size_t>(element_count(type.shape)));
  in_domain_of(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto lanes = lanes_of(x.to_vector<T>(), x.shape(),
                                {normalized_axis(in.node.int_or("axis", 0), x.rank())});
    for (size_t i = 0; i < result.size(); ++i) {
      const T* lane = lanes.values.data() + static_cast<int64_t>(i) * lanes.length;
      for (int64_t k = 1; k < lanes.length; ++k)
        if (is_better(lane[k], lane[result[i]]) || (takes_last && lane[k] == lane[result[i]]))
          result[i] = k;
    }
  });
  return {Tensor::of<int64_t>(type.shape, std::move(result))};
}

void infer_top_k(InferenceContext& context) {
  const ValueType& x = context.input(0);
  MaybeShape shape = x.shape;
  const auto elements = known_elements(context, 1);
  Dim k = elements && elements->size() == 1 ? (*elements)[0] : Dim{};
  if (!context.has(1) && context.node().has("k")) k = element_of(context.node().int_or("k", 0));
  if (value_of(k).value_or(0) < 0) throw Error("k is ", k.symbol);
  if (shape) {
    const size_t axis =
        normalized_axis(context.node().int_or("axis", -1), static_cast<int64_t>(shape->size()));
    if (k.known() && (*shape)[axis].known() && k.value > (*shape)[axis].value)
      throw Error("k is ", k.value, ", but axis ", axis, " of ", to_string(*shape), " is shorter");
    (*shape)[axis] = k;
  }
  context.set_output(0, x.dtype, shape);
  context.set_output(1, DType::kInt64, shape);
}

// Positions of the k best values, best first, of equal ones the first first.
template <typename T>
std::vector<int64_t> best_positions(std::span<const T> lane, size_t k, bool takes_largest) {
  std::vector<int64_t> order(lane.size());
  std::iota(order.begin(), order.end(), 0);
  const auto is_before = [&](int64_t a, int64_t b) {
    const T x = lane[static_cast<size_t>(a)], y = lane[static_cast<size_t>(b)];
    // NaN counts as the largest value.
    if (x != x || y != y) return x == x ? !takes_largest : y == y ? takes_largest : a < b;
    return x != y ? (takes_largest ? x > y : x < y) : a < b;
  };
  std::ranges::sort(order, is_before);
  order.resize(k);
  return order;
}

Tensors top_k(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer_top_k);
  const size_t axis = normalized_axis(in.node.int_or("axis", -1), x.rank());
  const bool takes_largest = in.node.int_or("largest", 1);
  const auto k = static_cast<size_t>(type.shape[axis]);
  // Where the j-th value of lane i stands in the output.
  const std::vector<int64_t> output_at = lane_indices(type.shape, {axis});
  std::vector<int64_t> indices(output_at.size());
  return in_domain_of(x.dtype(), [&](auto zero) -> Tensors {
    using T = decltype(zero);
    const auto lanes = lanes_of(x.to_vector<T>(), x.shape(), {axis});
    const auto length = static_cast<size_t>(lanes.length);
    std::vector<T> values(indices.size());
    for (size_t i = 0; k > 0 && i * k < indices.size(); ++i) {
      const auto lane = std::span<const T>(lanes.values).subspan(i * length, length);
      const auto best = best_positions(lane, k, takes_largest);
      for (size_t j = 0; j < k; ++j) {
        const auto at = static_cast<size_t>(output_at[i * k + j]);
        values[at] = lane[static_cast<size_t>(best[j])];
        indices[at] = best[j];
      }
    }
    return {stored(type.dtype, type.shape, values),
            Tensor::of<int64_t>(type.shape, std::move(indices))};
  });
}

HALFTONE_REGISTER(GraphOp, "ArgMax", infer_arg, arg_extreme<larger>);
HALFTONE_REGISTER(GraphOp, "ArgMin", infer_arg, arg_extreme<smaller>);
HALFTONE_REGISTER(GraphOp, "TopK", infer_top_k, top_k);

}  // namespace
}  // namespace halftone
