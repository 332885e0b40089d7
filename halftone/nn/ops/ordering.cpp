// ArgMax, ArgMin, TopK and CumSum: what follows the order of values along one axis.
#include <ATen/ATen.h>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

template <auto f>
NnOutputs arg_extreme(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const int64_t axis = axis_of(in.node, 0, x.dim());
  const bool keeps_dims = in.node.int_or("keepdims", 1);
  if (!in.node.int_or("select_last_index", 0)) return {f(x, axis, keeps_dims)};
  return {f(x.flip(axis), axis, keeps_dims).neg().add(x.size(axis) - 1)};
}

at::Tensor arg_max(const at::Tensor& x, int64_t axis, bool keeps_dims) {
  return at::argmax(x, axis, keeps_dims);
}
at::Tensor arg_min(const at::Tensor& x, int64_t axis, bool keeps_dims) {
  return at::argmin(x, axis, keeps_dims);
}

// Of equal values the first come first, which at::topk does not promise.
NnOutputs top_k(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const int64_t axis = axis_of(in.node, -1, x.dim());
  const int64_t k = in.has(1) ? in.ints(1).at(0) : in.node.int_or("k", -1);
  if (k < 0 || k > x.size(axis)) throw Error("k is ", k, " along an axis of ", x.size(axis));
  const bool takes_largest = in.node.int_or("largest", 1);
  const auto [values, indices] = at::sort(x, /*stable=*/true, axis, takes_largest);
  return {values.narrow(axis, 0, k), indices.narrow(axis, 0, k)};
}

NnOutputs cumulative_sum(const NnInputs& in) {
  const auto axis = static_cast<int64_t>(normalized_axis(in.ints(1).at(0), in[0].dim()));
  const bool is_reverse = in.node.int_or("reverse", 0);
  at::Tensor x = is_reverse ? in[0].flip(axis) : in[0];
  if (in.node.int_or("exclusive", 0) && x.size(axis) > 0) {
    const at::Tensor none = at::zeros_like(x.narrow(axis, 0, 1));
    x = at::cat({none, x.narrow(axis, 0, x.size(axis) - 1)}, axis);
  }
  const at::Tensor y = at::cumsum(x, axis, x.scalar_type());
  return {is_reverse ? y.flip(axis) : y};
}

HALFTONE_REGISTER(NnOp, "ArgMax", or_reference<arg_extreme<arg_max>>);
HALFTONE_REGISTER(NnOp, "ArgMin", or_reference<arg_extreme<arg_min>>);
HALFTONE_REGISTER(NnOp, "TopK", or_reference<top_k>);
HALFTONE_REGISTER(NnOp, "CumSum", or_reference<cumulative_sum>);

}  // namespace
}  // namespace halftone
