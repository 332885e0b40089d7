#include "halftone/nn/ops/sliding.h"

#include <algorithm>

#include "halftone/nn/ops/constant_pad.h"

namespace halftone {

WindowLists lists_of(const std::vector<WindowAxis>& axes) {
  WindowLists lists;
  for (const WindowAxis& axis : axes) {
    lists.kernel.push_back(axis.kernel);
    lists.strides.push_back(axis.stride);
    lists.dilations.push_back(axis.dilation);
    lists.padding.push_back(axis.pad_begin);
  }
  return lists;
}

bool is_symmetric(const std::vector<WindowAxis>& axes) {
  return std::ranges::all_of(axes, [](const auto& axis) { return axis.pad_begin == axis.pad_end; });
}

at::Tensor padded_to_windows(const at::Tensor& x, const std::vector<WindowAxis>& axes,
                             const at::Scalar& value) {
  std::vector<int64_t> pads;  // last axis first
  for (size_t i = axes.size(); i-- > 0;) {
    const WindowAxis& axis = axes[i];
    pads.push_back(axis.pad_begin);
    pads.push_back((axis.output - 1) * axis.stride + axis.extent() - axis.input - axis.pad_begin);
  }
  if (std::ranges::all_of(pads, [](int64_t pad) { return pad == 0; })) return x;
  return constant_pad(x, pads, value);
}

}  // namespace halftone
