// ReduceSum, ReduceMean, ... : values along some axes to one.
#include <ATen/ATen.h>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

// What is reduced: x along axes, at least one of them.
struct Reduction {
  at::Tensor x;
  std::vector<int64_t> axes;
  bool keeps_dims;
};

// LibTorch takes no axes for all of them; where ONNX means none, a new axis of 1 is reduced.
Reduction reduction_of(const NnInputs& in) {
  const at::Tensor& x = in[0];
  Reduction result{x, {}, in.node.int_or("keepdims", 1) != 0};
  const auto given = ints_argument(in, 1, "axes");
  if (given && !given->empty()) {
    for (size_t axis : normalized_axes(*given, x.dim()))
      result.axes.push_back(static_cast<int64_t>(axis));
  } else if (!in.node.int_or("noop_with_empty_axes", 0)) {
    for (int64_t axis = 0; axis < x.dim(); ++axis) result.axes.push_back(axis);
  }
  if (result.axes.empty()) result = {x.unsqueeze(-1), {x.dim()}, false};
  return result;
}

using Reducing = at::Tensor (*)(const Reduction&);

// The largest and the smallest of nothing are the reference kernel's business.
template <Reducing f>
NnOutputs reduce(const NnInputs& in) {
  return in[0].numel() == 0 ? via_reference(in) : NnOutputs{f(reduction_of(in))};
}

at::Tensor sum(const Reduction& r) { return at::sum(r.x, r.axes, r.keeps_dims, r.x.scalar_type()); }
at::Tensor mean(const Reduction& r) { return at::mean(r.x, r.axes, r.keeps_dims); }
at::Tensor largest(const Reduction& r) { return at::amax(r.x, r.axes, r.keeps_dims); }
at::Tensor smallest(const Reduction& r) { return at::amin(r.x, r.axes, r.keeps_dims); }
at::Tensor l1(const Reduction& r) { return at::linalg_vector_norm(r.x, 1, r.axes, r.keeps_dims); }
at::Tensor l2(const Reduction& r) { return at::linalg_vector_norm(r.x, 2, r.axes, r.keeps_dims); }
at::Tensor sum_square(const Reduction& r) { return at::sum(r.x * r.x, r.axes, r.keeps_dims); }
at::Tensor log_sum(const Reduction& r) { return at::log(sum(r)); }
at::Tensor log_sum_exp(const Reduction& r) { return at::logsumexp(r.x, r.axes, r.keeps_dims); }

// One axis at a time, the last one first so that the others keep their places.
at::Tensor product(const Reduction& r) {
  at::Tensor result = r.x;
  for (size_t i = r.axes.size(); i-- > 0;)
    result = at::prod(result, r.axes[i], r.keeps_dims, r.x.scalar_type());
  return result;
}

HALFTONE_REGISTER(NnOp, "ReduceSum", or_reference<reduce<sum>>);
HALFTONE_REGISTER(NnOp, "ReduceProd", or_reference<reduce<product>>);
HALFTONE_REGISTER(NnOp, "ReduceMax", or_reference<reduce<largest>>);
HALFTONE_REGISTER(NnOp, "ReduceMin", or_reference<reduce<smallest>>);
HALFTONE_REGISTER(NnOp, "ReduceMean", on_floats<reduce<mean>>);
HALFTONE_REGISTER(NnOp, "ReduceL1", on_floats<reduce<l1>>);
HALFTONE_REGISTER(NnOp, "ReduceL2", on_floats<reduce<l2>>);
HALFTONE_REGISTER(NnOp, "ReduceSumSquare", on_floats<reduce<sum_square>>);
HALFTONE_REGISTER(NnOp, "ReduceLogSum", on_floats<reduce<log_sum>>);
HALFTONE_REGISTER(NnOp, "ReduceLogSumExp", on_floats<reduce<log_sum_exp>>);

}  // namespace
}  // namespace halftone
