// Conv and ConvTranspose over 1, 2 or 3 spatial axes.
#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/graph/ops/transposed_window.h"
#include "halftone/nn/ops/constant_pad.h"
#include "halftone/nn/ops/reference.h"
#include "halftone/nn/ops/sliding.h"

namespace halftone {
namespace {

void require_ranks(const at::Tensor& x, const at::Tensor& weight) {
  if (x.dim() < 3 || x.dim() > 5 || weight.dim() != x.dim())
    throw Error("the input has ", x.dim(), " dimensions and the weight ", weight.dim(),
                "; both must have the same number, 3 to 5");
}

// kernel_shape says what the weight's shape says already.
void require_kernel(const Node& node, const std::vector<int64_t>& kernel) {
  const auto declared = node.ints_or("kernel_shape", kernel);
  if (declared != kernel)
    throw Error("kernel_shape is ", to_string(declared), ", but the weight's is ",
                to_string(kernel));
}

std::optional<at::Tensor> bias_of(const NnInputs& in) {
  return in.has(2) ? std::optional(in[2]) : std::nullopt;
}

bool all_are(const std::vector<int64_t>& values, int64_t wanted) {
  return std::ranges::all_of(values, [&](int64_t value) { return value == wanted; });
}

// Whether it is one matrix product over pixels that lie channel by channel. LibTorch's own path
// copies the image first where one thread runs it.
bool is_pixelwise(const at::Tensor& x, const at::Tensor& weight, const WindowLists& window,
                  int64_t groups) {
  return x.dim() == 4 && groups == 1 && all_are(weight.sizes().slice(2).vec(), 1) &&
         all_are(window.strides, 1) && all_are(window.padding, 0) &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

// [N, C, spatial...] * [O, C/groups, kernel...] -> [N, O, spatial...]
NnOutputs conv(const NnInputs& in) {
  at::Tensor x = in[0];
  const at::Tensor& weight = in[1];
  require_ranks(x, weight);
  const std::vector<int64_t> kernel = weight.sizes().slice(2).vec();
  require_kernel(in.node, kernel);
  const auto axes = resolved_axes(window_attributes(in.node, kernel), x.sizes().vec());
  WindowLists window = lists_of(axes);
  if (!is_symmetric(axes)) {
    x = padded_to_windows(x, axes, 0);
    window.padding.assign(axes.size(), 0);
  }
  const int64_t groups = in.node.int_or("group", 1);
  if (is_pixelwise(x, weight, window, groups)) {
    at::Tensor y = at::linear(x.permute({0, 2, 3, 1}), weight.flatten(1));
    if (in.has(2)) y.add_(in[2]);  // at::linear fills the result with it and then adds the product
    return {y.permute({0, 3, 1, 2})};
  }
  const std::vector<int64_t> no_output_padding(axes.size(), 0);
  return {at::convolution(x, weight, bias_of(in), window.strides, window.padding, window.dilations,
                          false, no_output_padding, groups)};
}

// What LibTorch calls output padding: rows of the output that padding alone does not explain.
// nullopt where it cannot express them.
std::optional<std::vector<int64_t>> output_padding(const std::vector<WindowAxis>& axes) {
  std::vector<int64_t> result;
  for (const WindowAxis& axis : axes) {
    const int64_t reach = (axis.output - 1) * axis.stride + axis.extent() - 2 * axis.pad_begin;
    const int64_t rest = axis.input - reach;
    if (rest < 0 || rest >= std::max(axis.stride, axis.dilation)) return std::nullopt;
    result.push_back(rest);
  }
  return result;
}

// Everything that the windows write, then cut or extended to what is asked for.
at::Tensor transposed_and_cut(const NnInputs& in, const std::vector<WindowAxis>& axes,
                              const WindowLists& window) {
  const std::vector<int64_t> zeros(axes.size(), 0);
  const at::Tensor full = at::convolution(in[0], in[1], {}, window.strides, zeros, window.dilations,
                                          true, zeros, in.node.int_or("group", 1));
  std::vector<int64_t> pads;
  for (size_t i = axes.size(); i-- > 0;) {
    pads.push_back(-axes[i].pad_begin);
    pads.push_back(axes[i].input + axes[i].pad_begin - full.size(static_cast<int64_t>(i) + 2));
  }
  const at::Tensor y = constant_pad(full, pads, 0);
  if (!in.has(2)) return y;
  std::vector<int64_t> channels(static_cast<size_t>(y.dim()), 1);
  channels[1] = y.size(1);
  return y + in[2].reshape(channels);
}

// [N, C, spatial...] * [C, O/groups, kernel...] -> [N, O, spatial...]
NnOutputs conv_transpose(const NnInputs& in) {
  const at::Tensor &x = in[0], &weight = in[1];
  require_ranks(x, weight);
  const std::vector<int64_t> kernel = weight.sizes().slice(2).vec();
  require_kernel(in.node, kernel);
  const TransposedWindow transposed(in.node, kernel);
  std::vector<WindowAxis> axes;
  for (size_t i = 0; i < kernel.size(); ++i)
    axes.push_back(transposed.resolved(i, x.size(static_cast<int64_t>(i) + 2)));
  const WindowLists window = lists_of(axes);
  const auto rest = output_padding(axes);
  if (!rest) return {transposed_and_cut(in, axes, window)};
  return {at::convolution(x, weight, bias_of(in), window.strides, window.padding, window.dilations,
                          true, *rest, in.node.int_or("group", 1))};
}

HALFTONE_REGISTER(NnOp, "Conv", or_reference<conv>);
HALFTONE_REGISTER(NnOp, "ConvTranspose", or_reference<conv_transpose>);

}  // namespace
}  // namespace halftone
