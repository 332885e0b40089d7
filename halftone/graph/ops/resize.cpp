// Resize: shapes and sizes here, positions and weights in resampling.
#include "halftone/graph/ops/resize.h"

#include <algorithm>
#include <cmath>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

constexpr size_t kRoi = 1, kScales = 2, kSizes = 3;

std::vector<size_t> resized_axes(const Node& node, size_t rank) {
  std::vector<size_t> result;
  if (!node.has("axes"))
    for (size_t i = 0; i < rank; ++i) result.push_back(i);
  const std::vector<int64_t> axes = node.ints_or("axes", {});
  normalized_axes(axes, static_cast<int64_t>(rank));
  for (int64_t axis : axes) result.push_back(normalized_axis(axis, static_cast<int64_t>(rank)));
  return result;
}

void require_count(size_t count, size_t axes, const char* what) {
  if (count != axes) throw Error(what, " has ", count, " values for ", axes, " axes");
}

// An empty tensor stands for an input that is left out.
bool is_given(const InferenceContext& context, size_t input) {
  if (!context.has(input)) return false;
  const auto shape = context.input(input).static_shape();
  return !shape || element_count(*shape) > 0;
}

int64_t scaled_size(int64_t size, double scale) {
  const double result = std::floor(static_cast<double>(size) * scale);
  if (!(scale > 0 && result <= static_cast<double>(kMostElements)))
    throw Error("a dimension of ", size, " cannot be scaled by ", scale);
  return static_cast<int64_t>(result);
}

// The one factor that keeps the aspect ratio; nullopt where every axis has its own.
std::optional<double> common_scale(const std::string& policy, const SymbolicShape& input,
                                   const SymbolicShape& sizes, const std::vector<size_t>& axes) {
  if (policy == "stretch") return std::nullopt;
  if (policy != "not_larger" && policy != "not_smaller")
    throw Error("keep_aspect_ratio_policy is '", policy,
                "'; known are stretch, not_larger, not_smaller");
  std::optional<double> result;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (input[axes[i]].value < 1) throw Error("an empty or unknown dimension has no aspect ratio");
    const double scale =
        static_cast<double>(sizes[i].value) / static_cast<double>(input[axes[i]].value);
    if (!result) result = scale;
    result = policy == "not_larger" ? std::min(*result, scale) : std::max(*result, scale);
  }
  return result;
}

// Sizes asked for become dimensions of `shape`; with a policy, those that a common scale gives.
void apply_sizes(const Node& node, SymbolicShape& shape, const SymbolicShape& sizes,
                 const std::vector<size_t>& axes) {
  require_count(sizes.size(), axes.size(), "sizes");
  for (const Dim& size : sizes)
    if (value_of(size).value_or(0) < 0) throw Error("sizes has the value ", size.symbol);
  const std::string policy = node.string_or("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") {
    for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = sizes[i];
    return;
  }
  bool is_known = true;
  for (size_t i = 0; i < axes.size(); ++i)
    is_known = is_known && sizes[i].known() && shape[axes[i]].known();
  const auto scale = is_known ? common_scale(policy, shape, sizes, axes) : std::nullopt;
  for (size_t axis : axes)
    shape[axis] = scale ? Dim::of(static_cast<int64_t>(
                              std::floor(*scale * static_cast<double>(shape[axis].value) + 0.5)))
                        : Dim{};
}

void infer(InferenceContext& context) {
  const ValueType& x = context.input(0);
  if (!x.shape) return context.set_output(0, x.dtype, std::nullopt);
  const std::vector<size_t> axes = resized_axes(context.node(), x.shape->size());
  SymbolicShape shape = *x.shape;
  if (is_given(context, kSizes)) {
    const auto sizes = known_elements(context, kSizes);
    if (sizes)
      apply_sizes(context.node(), shape, *sizes, axes);
    else
      for (size_t axis : axes) shape[axis] = Dim{};
  } else if (is_given(context, kScales)) {
    const Tensor* constant = context.constant(kScales);
    const std::vector<double> scales =
        constant ? constant->to_vector<double>() : std::vector<double>(axes.size(), NAN);
    require_count(scales.size(), axes.size(), "scales");
    for (size_t i = 0; i < axes.size(); ++i) {
      Dim& dim = shape[axes[i]];
      if (std::isnan(scales[i]) && !constant)
        dim = Dim{};
      else if (dim.known())
        dim = Dim::of(scaled_size(dim.value, scales[i]));
      else if (scales[i] != 1)
        dim = Dim{};
    }
  } else {
    throw Error("neither scales nor sizes are given");
  }
  context.set_output(0, x.dtype, std::move(shape));
}

// Begins and ends of the region of tf_crop_and_resize; the whole where there is none.
void apply_roi(const KernelInputs& in, std::vector<ResampledAxis>& axes,
               const std::vector<size_t>& resized) {
  if (!in.has(kRoi) || in[kRoi].count() == 0) return;
  const std::vector<double> roi = in[kRoi].to_vector<double>();
  require_count(roi.size(), 2 * resized.size(), "roi");
  for (size_t i = 0; i < resized.size(); ++i) {
    axes[resized[i]].roi_begin = roi[i];
    axes[resized[i]].roi_end = roi[i + resized.size()];
  }
}

}  // namespace

Shape resized_shape(const KernelInputs& in, const Shape& input) {
  std::vector<ValueType> types;
  for (const Tensor* value : in.values) types.push_back(value ? type_of(*value) : ValueType{});
  types.at(0) = {DType::kFloat, symbolic(input)};
  InferenceContext context(in.node, std::move(types), {in.values.begin(), in.values.end()}, {});
  infer(context);
  const auto shape = context.outputs().at(0).static_shape();
  if (!shape) throw Error("the output's shape does not follow from the inputs");
  return *shape;
}

std::vector<ResampledAxis> resampled_axes(const KernelInputs& in, const Shape& input,
                                          const Shape& output) {
  std::vector<ResampledAxis> result;
  for (size_t i = 0; i < input.size(); ++i)
    result.push_back({.input = input[i],
                      .output = output[i],
                      .scale = static_cast<double>(output[i]) / static_cast<double>(input[i])});
  const std::vector<size_t> resized = resized_axes(in.node, input.size());
  apply_roi(in, result, resized);
  if (in.has(kSizes) && in[kSizes].count() > 0) {
    const SymbolicShape sizes = symbolic(in[kSizes].to_vector<int64_t>());
    const auto scale = common_scale(in.node.string_or("keep_aspect_ratio_policy", "stretch"),
                                    symbolic(input), sizes, resized);
    for (size_t axis : resized)
      if (scale) result[axis].scale = *scale;
  } else {
    const std::vector<double> scales = in[kScales].to_vector<double>();
    for (size_t i = 0; i < resized.size(); ++i) result[resized[i]].scale = scales[i];
  }
  return result;
}

namespace {

// x with one axis resampled; `inner` elements lie between neighbours along it.
std::vector<double> resample(const std::vector<double>& x, const ResampledAxis& axis, int64_t inner,
                             const ResamplingOptions& options, double extrapolated) {
  const int64_t outer = static_cast<int64_t>(x.size()) / (axis.input * inner);
  std::vector<double> y(static_cast<size_t>(outer * axis.output * inner), 0.0);
  for (int64_t o = 0; o < axis.output; ++o) {
    const std::vector<Tap> taps = taps_of(axis, o, options);
    for (int64_t row = 0; row < outer; ++row) {
      double* target = y.data() + (row * axis.output + o) * inner;
      if (taps.empty()) std::fill(target, target + inner, extrapolated);
      for (const Tap& tap : taps) {
        const double* source = x.data() + (row * axis.input + tap.position) * inner;
        for (int64_t i = 0; i < inner; ++i) target[i] += tap.weight * source[i];
      }
    }
  }
  return y;
}

Tensors resize(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer);
  if (element_count(type.shape) == 0)
    return {stored(type.dtype, type.shape, std::vector<int64_t>{})};
  if (x.count() == 0)
    throw Error("an empty tensor of shape ", to_string(x.shape()), " cannot be resized");
  const ResamplingOptions options = resampling_options(in.node);
  const double extrapolated = in.node.float_or("extrapolation_value", 0);
  std::vector<double> y = x.to_vector<double>();
  int64_t inner = 1;
  const std::vector<ResampledAxis> axes = resampled_axes(in, x.shape(), type.shape);
  for (size_t i = axes.size(); i-- > 0; inner *= axes[i].output) {
    if (!axes[i].stays()) y = resample(y, axes[i], inner, options, extrapolated);
  }
  if (is_floating(type.dtype)) return {stored(type.dtype, type.shape, y)};
  return {stored(type.dtype, type.shape, std::vector<int64_t>(y.begin(), y.end()))};
}

HALFTONE_REGISTER(GraphOp, "Resize", infer, resize);

}  // namespace
}  // namespace halftone
