// What convolution and pooling do with graph/ops/window.h's geometry on LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "halftone/graph/ops/window.h"

namespace halftone {

// The axes' members as LibTorch's lists.
struct WindowLists {
  std::vector<int64_t> kernel, strides, dilations, padding;  // padding: at the begin
};
WindowLists lists_of(const std::vector<WindowAxis>& axes);

// Same padding before and behind, on every axis.
bool is_symmetric(const std::vector<WindowAxis>& axes);

// x [N, C, spatial...] padded with `value`, or cut, to exactly what the windows read, so
// that they need no padding of their own.
at::Tensor padded_to_windows(const at::Tensor& x, const std::vector<WindowAxis>& axes,
                             const at::Scalar& value);

}  // namespace halftone
