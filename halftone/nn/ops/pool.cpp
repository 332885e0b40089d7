// MaxPool, AveragePool, LpPool over 1, 2 or 3 spatial axes, and their global forms over any.
#include <ATen/ATen.h>

#include <limits>

#include "halftone/nn/ops/reference.h"
#include "halftone/nn/ops/sliding.h"

namespace halftone {
namespace {

std::vector<WindowAxis> pool_axes(const NnInputs& in) {
  const at::Tensor& x = in[0];
  if (!in.node.has("kernel_shape")) throw Error("the attribute kernel_shape is missing");
  const auto attributes = window_attributes(in.node, in.node.ints_or("kernel_shape", {}));
  if (x.dim() < 3 || attributes.kernel.size() + 2 != static_cast<size_t>(x.dim()))
    throw Error("kernel_shape has ", attributes.kernel.size(), " values for an input of ", x.dim(),
                " dimensions");
  return resolved_axes(attributes, x.sizes().vec());
}

// LibTorch pads both ends alike, by half a window at most, and drops windows that hang over.
bool is_native(const std::vector<WindowAxis>& axes) {
  for (const WindowAxis& axis : axes) {
    const int64_t room = axis.input + 2 * axis.pad_begin - axis.extent();
    if (axis.pad_begin != axis.pad_end || axis.pad_begin > axis.kernel / 2) return false;
    if (axis.output != room / axis.stride + 1) return false;
  }
  return true;
}

at::Scalar lowest_of(at::ScalarType type) {
  if (at::isFloatingType(type)) return -std::numeric_limits<double>::infinity();
  return type == at::kChar ? -128 : type == at::kByte ? 0 : std::numeric_limits<int64_t>::lowest();
}

at::Tensor max_pooled(const at::Tensor& x, const WindowLists& w) {
  if (x.dim() == 3) return at::max_pool1d(x, w.kernel, w.strides, w.padding, w.dilations);
  if (x.dim() == 4) return at::max_pool2d(x, w.kernel, w.strides, w.padding, w.dilations);
  return at::max_pool3d(x, w.kernel, w.strides, w.padding, w.dilations);
}

// 8-bit codes go through float32, which holds them exactly.
NnOutputs max_pool(const NnInputs& in) {
  const at::ScalarType type = in[0].scalar_type();
  const auto axes = pool_axes(in);
  if (axes.size() > 3) return via_reference(in);
  const bool is_float = at::isFloatingType(type);
  at::Tensor x = is_float ? in[0] : in[0].to(at::kFloat);
  WindowLists window = lists_of(axes);
  if (!is_native(axes)) {
    x = padded_to_windows(x, axes, lowest_of(type));
    window.padding.assign(axes.size(), 0);
  }
  const at::Tensor y = max_pooled(x, window);
  NnOutputs result{is_float ? y : y.to(type)};
  if (in.node.outputs.size() > 1) result.push_back(via_reference(in)[1]);
  return result;
}

at::Tensor native_average(const at::Tensor& x, const WindowLists& w, bool counts_padding) {
  if (x.dim() == 3) return at::avg_pool1d(x, w.kernel, w.strides, w.padding, false, counts_padding);
  if (x.dim() == 4) return at::avg_pool2d(x, w.kernel, w.strides, w.padding, false, counts_padding);
  return at::avg_pool3d(x, w.kernel, w.strides, w.padding, false, counts_padding);
}

// Sums over the windows of x, which padded_to_windows() has brought to size: a convolution with
// ones, one plane at a time.
at::Tensor window_sums(const at::Tensor& x, const WindowLists& w) {
  std::vector<int64_t> planes{x.size(0) * x.size(1), 1}, ones{1, 1};
  planes.insert(planes.end(), x.sizes().begin() + 2, x.sizes().end());
  ones.insert(ones.end(), w.kernel.begin(), w.kernel.end());
  const std::vector<int64_t> zeros(w.kernel.size(), 0);
  const at::Tensor sums = at::convolution(x.reshape(planes), at::ones(ones, x.options()), {},
                                          w.strides, zeros, w.dilations, false, zeros, 1);
  std::vector<int64_t> shape{x.size(0), x.size(1)};
  shape.insert(shape.end(), sums.sizes().begin() + 2, sums.sizes().end());
  return sums.reshape(shape);
}

// How many values each window averages: [1, 1, spatial...].
at::Tensor window_counts(const at::Tensor& x, const std::vector<WindowAxis>& axes,
                         bool counts_padding) {
  std::vector<int64_t> shape{1, 1};
  std::vector<WindowAxis> counted = axes;
  for (WindowAxis& axis : counted) {
    if (counts_padding) {  // padding is as good as input; what hangs over it is not
      axis.input += axis.pad_begin + axis.pad_end;
      axis.pad_begin = axis.pad_end = 0;
    }
    shape.push_back(axis.input);
  }
  const at::Tensor ones = at::ones(shape, x.options());
  return window_sums(padded_to_windows(ones, counted, 0), lists_of(axes));
}

NnOutputs average_pool(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const auto axes = pool_axes(in);
  if (axes.size() > 3) return via_reference(in);
  const bool counts_padding = in.node.int_or("count_include_pad", 0);
  const WindowLists window = lists_of(axes);
  const bool is_dilated = window.dilations != std::vector<int64_t>(axes.size(), 1);
  if (is_native(axes) && !is_dilated) return {native_average(x, window, counts_padding)};
  const at::Tensor sums = window_sums(padded_to_windows(x, axes, 0), window);
  return {sums.div(window_counts(x, axes, counts_padding))};
}

NnOutputs lp_pool(const NnInputs& in) {
  const auto axes = pool_axes(in);
  if (axes.size() > 3) return via_reference(in);
  const auto p = static_cast<double>(in.node.int_or("p", 2));
  const at::Tensor powers = in[0].abs().pow(p);
  return {window_sums(padded_to_windows(powers, axes, 0), lists_of(axes)).pow(1 / p)};
}

std::vector<int64_t> spatial_axes(const at::Tensor& x) {
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
  return axes;
}

// Without spatial axes LibTorch would reduce all.
NnOutputs global_average_pool(const NnInputs& in) {
  const at::Tensor& x = in[0];
  return {x.dim() > 2 ? at::mean(x, spatial_axes(x), true) : x};
}

NnOutputs global_max_pool(const NnInputs& in) {
  const at::Tensor& x = in[0];
  return {x.dim() > 2 ? at::amax(x, spatial_axes(x), true) : x};
}

NnOutputs global_lp_pool(const NnInputs& in) {
  const at::Tensor& x = in[0];
  if (x.dim() <= 2) return {x.abs()};
  return {at::linalg_vector_norm(x, in.node.int_or("p", 2), spatial_axes(x), true)};
}

HALFTONE_REGISTER(NnOp, "MaxPool", or_reference<max_pool>);
HALFTONE_REGISTER(NnOp, "AveragePool", or_reference<average_pool>);
HALFTONE_REGISTER(NnOp, "LpPool", or_reference<lp_pool>);
HALFTONE_REGISTER(NnOp, "GlobalAveragePool", or_reference<global_average_pool>);
HALFTONE_REGISTER(NnOp, "GlobalMaxPool", or_reference<global_max_pool>);
HALFTONE_REGISTER(NnOp, "GlobalLpPool", or_reference<global_lp_pool>);

}  // namespace
}  // namespace halftone
