// Slice, from inputs (starts, ends, axes, steps) or the attributes of old opsets.
#include <algorithm>

#include "halftone/graph/ops/shape_arithmetic.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

// What is taken along one axis of known size.
struct Range {
  int64_t start = 0, step = 1, count = 0;
};

// numpy's rules: negative bounds count from the end, and bounds outside are moved to the nearest
// one that makes sense.
Range clamped(int64_t start, int64_t end, int64_t step, int64_t size) {
  const auto bound = [&](int64_t at, int64_t low, int64_t high) {
    if (at < 0) at = at < -size ? low : at + size;
    return std::clamp(at, low, high);
  };
  if (step > 0) {
    start = bound(start, 0, size);
    end = bound(end, 0, size);
    return {start, step, end > start ? (end - start - 1) / step + 1 : 0};
  }
  start = bound(start, -1, size - 1);
  end = bound(end, -1, size - 1);
  const int64_t stride = step == INT64_MIN ? INT64_MAX : -step;
  return {start, step, start > end ? (start - end - 1) / stride + 1 : 0};
}

struct SliceArguments {
  std::vector<size_t> axes;  // not sorted
  std::vector<int64_t> starts, ends, steps;
};

// nullopt where the axes are not known. Starts and ends that are not known are empty.
std::optional<SliceArguments> slice_arguments(const InferenceContext& context, int64_t rank) {
  const IntsArgument starts = ints_argument(context, 1, "starts");
  const IntsArgument ends = ints_argument(context, 2, "ends");
  const IntsArgument axes = ints_argument(context, 3, "axes");
  const IntsArgument steps = ints_argument(context, 4, "steps");
  if (!starts.is_given || !ends.is_given) throw Error("starts or ends are missing");
  if ((axes.is_given && !axes.values) || (!axes.is_given && !starts.values)) return std::nullopt;
  SliceArguments result;
  if (axes.is_given) {
    normalized_axes(*axes.values, rank);
    for (int64_t axis : *axes.values) result.axes.push_back(normalized_axis(axis, rank));
  } else {
    for (size_t i = 0; i < starts.values->size(); ++i)
      result.axes.push_back(normalized_axis(static_cast<int64_t>(i), rank));
  }
  if (!starts.values || !ends.values || (steps.is_given && !steps.values)) return result;
  const size_t count = result.axes.size();
  result.starts = *starts.values;
  result.ends = *ends.values;
  result.steps = steps.is_given ? *steps.values : std::vector<int64_t>(count, 1);
  if (result.starts.size() != count || result.ends.size() != count || result.steps.size() != count)
    throw Error("starts, ends, axes and steps have ", result.starts.size(), ", ",
                result.ends.size(), ", ", count, " and ", result.steps.size(),
                " values; they must be as many");
  if (std::ranges::count(result.steps, 0)) throw Error("a step is 0");
  return result;
}

// Size of an axis of unknown size after slicing, where it can be told: the whole of it is the same
// size.
Dim sliced(const Dim& dim, int64_t start, int64_t end, int64_t step) {
  if (dim.known()) return Dim::of(clamped(start, end, step, dim.value).count);
  constexpr int64_t kToTheEnd = int64_t{1} << 30;  // exporters write INT_MAX or more
  return start == 0 && step == 1 && end >= kToTheEnd ? dim : Dim{};
}

// Shape(x)[a:b] and such: contents of a sliced vector.
void slice_contents(InferenceContext& context, const SliceArguments& arguments) {
  const auto elements = known_elements(context, 0);
  if (!may_have_contents(context) || !elements || arguments.starts.size() != 1) return;
  const Range range = clamped(arguments.starts[0], arguments.ends[0], arguments.steps[0],
                              static_cast<int64_t>(elements->size()));
  SymbolicShape result;
  for (int64_t i = 0; i < range.count; ++i)
    result.push_back((*elements)[static_cast<size_t>(range.start + i * range.step)]);
  context.set_contents(0, std::move(result));
}

void infer(InferenceContext& context) {
  const ValueType& x = context.input(0);
  if (!x.shape) return context.set_output(0, x.dtype, std::nullopt);
  const auto rank = static_cast<int64_t>(x.shape->size());
  const auto arguments = slice_arguments(context, rank);
  if (!arguments) return context.set_output(0, x.dtype, unknown_shape(rank));
  SymbolicShape shape = *x.shape;
  for (size_t i = 0; i < arguments->axes.size(); ++i) {
    Dim& dim = shape[arguments->axes[i]];
    dim = arguments->starts.empty()
              ? Dim{}
              : sliced(dim, arguments->starts[i], arguments->ends[i], arguments->steps[i]);
  }
  context.set_output(0, x.dtype, std::move(shape));
  slice_contents(context, *arguments);
}

Tensors slice(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer);
  const auto starts = *ints_argument(in, 1, "starts");
  const auto ends = *ints_argument(in, 2, "ends");
  const auto axes = ints_argument(in, 3, "axes");
  const auto steps = ints_argument(in, 4, "steps");
  std::vector<int64_t> strides = strides_of(x.shape());
  int64_t offset = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = normalized_axis(axes ? (*axes)[i] : static_cast<int64_t>(i), x.rank());
    const Range range = clamped(starts[i], ends[i], steps ? (*steps)[i] : 1, x.shape()[axis]);
    if (range.count == 0) return {picked(x, type.shape, {})};
    offset += range.start * strides[axis];
    strides[axis] = range.count == 1 ? 0 : strides[axis] * range.step;
  }
  return {picked(x, type.shape, strided_indices(type.shape, strides, offset))};
}

HALFTONE_REGISTER(GraphOp, "Slice", infer, slice);

}  // namespace
}  // namespace halftone
