// Padding with one value.
//
//   constant_pad(image, {1, 1, 0, 2}, 0);  // one column on either side, two rows below
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace halftone {

// pads: begin and end of each axis, the last axis first, of no more axes than x has, as
// at::constant_pad_nd has them; negative ones cut off. Differentiable. Without gradients the frame alone is filled, where LibTorch fills
// the whole result before it copies x.
at::Tensor constant_pad(const at::Tensor& x, const std::vector<int64_t>& pads,
                        const at::Scalar& value);

}  // namespace halftone
