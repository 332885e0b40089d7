// Fake quantization of a LibTorch tensor, differentiable in the tensor and in the scale.
#pragma once

#include <ATen/core/Tensor.h>

#include "halftone/quant/fake_quantize.h"
#include "halftone/quant/spec.h"

namespace halftone {

// x: float32, any shape. scale: one element, float32. Gradients as fake_quantize_backward(), the
// scale's times `scale_gradient` (LSQ: 1/sqrt(elements * qmax)). Elements that are not kept pass
// unquantized.
at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, int32_t zero_point,
                         CodeRange range, double scale_gradient = 1.0, const Keep& keep = {});

// With parameters that are settled: one scale and zero point.
at::Tensor fake_quantize(const at::Tensor& x, const QuantParams& params);

}  // namespace halftone
