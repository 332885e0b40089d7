// One bit: s * sign(x), sign(0) = +1.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace halftone {

// scale: [1], or [channels] along axis. dy/dx = 1 where |x| <= s, else 0. The scale's gradient by
// LSQ with the codes -1 and 1: sign(x) - x/s inside, sign(x) outside, times `scale_gradient`.
at::Tensor scaled_sign(const at::Tensor& x, const at::Tensor& scale, int axis,
                       double scale_gradient);

// +1 or -1, never 0; without gradient.
at::Tensor sign_of(const at::Tensor& x);

// [1] or [channels] so that it multiplies a tensor of `dims` axes along `axis`.
at::Tensor along(const at::Tensor& values, int axis, int64_t dims);

// All axes but `axis`; all where it is -1.
std::vector<int64_t> axes_but(int axis, int64_t dims);

}  // namespace halftone
