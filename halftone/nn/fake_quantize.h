// Fake quantization of a LibTorch tensor, differentiable in the tensor, the scale and the zero
// point: one fused pass over memory forward and one backward.
//
//   at::Tensor y = fake_quantize(w, scale, {.range = {-8, 7}, .axis = 0, .scale_gradient = g});
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "halftone/quant/fake_quantize.h"
#include "halftone/quant/spec.h"

namespace halftone {

// What a scale's gradient takes of an element that does not saturate.
enum class StepGradient {
  kRounding,  // q(x) - x/s, as LSQ (Esser et al. 2020, eq. 3)
  kClipping,  // nothing: the scale only says where to clip, as PACT (Choi et al. 2018)
};

struct FakeQuantizeOptions {
  CodeRange range;
  int axis = -1;                          // of the channels that have a scale each; -1: one scale
  std::vector<int32_t> zero_points = {};  // one, or one a scale; empty: 0
  std::vector<Width> channels = {};       // codes of each channel where they differ
  double scale_gradient = 1.0;            // factor of the scale's (and zero point's) gradient
  StepGradient rule = StepGradient::kRounding;
  bool passes_outside = false;  // dy/dx = 1 also where x saturates
  Keep keep = {};               // elements that are not kept pass unquantized; with one scale alone
};

// x: float32, any shape, on the CPU. scale: [1], or [channels] along `axis`, float32, > 0.
// dy/dx = 1 where x does not saturate, else 0. The result does not depend on the number of threads.
at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale,
                         const FakeQuantizeOptions& how);

// With a zero point that is trained: a real number [1] that is rounded to a code (clamped to the
// range) and gets LSQ+'s gradient (Bhalgat et al. 2020, in its integer form): -s where x saturates,
// 0 inside.
at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                         const FakeQuantizeOptions& how);

// With parameters that are settled.
at::Tensor fake_quantize(const at::Tensor& x, const QuantParams& params);

}  // namespace halftone
