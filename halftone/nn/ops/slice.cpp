#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

// starts, ends, axes and steps as inputs 1..4.
std::vector<at::Tensor> slice(const NnInputs& in) {
  at::Tensor x = in[0];
  const auto starts = in.ints(1), ends = in.ints(2);
  std::vector<int64_t> axes(starts.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (in.has(3)) axes = in.ints(3);
  const auto steps = in.has(4) ? in.ints(4) : std::vector<int64_t>(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    throw Error("starts, ends, axes and steps have different lengths");
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + x.dim() : axes[i];
    if (axis < 0 || axis >= x.dim()) throw Error("axis ", axes[i], " is out of range");
    const int64_t size = x.size(axis), step = steps[i];
    if (step == 0) throw Error("the step is 0");
    auto from_end = [&](int64_t position) { return position < 0 ? position + size : position; };
    if (step > 0) {
      const int64_t start = std::clamp<int64_t>(from_end(starts[i]), 0, size);
      const int64_t end = std::clamp<int64_t>(from_end(ends[i]), start, size);
      x = x.slice(axis, start, end, step);
    } else {  // LibTorch has no negative step: pick by index
      const int64_t start = std::clamp<int64_t>(from_end(starts[i]), -1, size - 1);
      const int64_t end = std::clamp<int64_t>(from_end(ends[i]), -1, size - 1);
      std::vector<int64_t> picked;
      for (int64_t k = start; k > end; k += step) picked.push_back(k);
      x = x.index_select(axis, at::tensor(picked, at::TensorOptions(at::kLong)));
    }
  }
  return {x};
}

HALFTONE_REGISTER(NnOp, "Slice", slice);

}  // namespace
}  // namespace halftone
