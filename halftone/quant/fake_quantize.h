// Fake quantization in one pass over memory: rounds to the grid of the numeric contract and stays
// in float, forward and backward.
//
//   FakeQuantizer q{.scale = 0.02f, .zero_point = 0, .range = {0, 15}};
//   fake_quantize(x, q, y.data());
//   double grad_scale = fake_quantize_backward(x, grad_y, q, grad_x.data()).scale;
//
// Vectorised for the CPU that it runs on; every instruction set gives the same y, grad_x and kept
// elements.
#pragma once

#include <cstdint>
#include <span>

#include "halftone/quant/numeric.h"

namespace halftone {

// Which elements are quantized: each by itself with a probability, drawn from its position and a
// seed (QDrop, Wei et al. 2022).
struct Keep {
  float probability = 1.0f;  // 1: all, without drawing
  uint32_t seed = 0;
};

struct FakeQuantizer {
  float scale = 1.0f;  // > 0, finite
  int32_t zero_point = 0;
  CodeRange range;  // |bounds| < 2^20
};

// y_i = (q(x_i) - zero_point) * scale, bit for bit as quantize() and dequantize(), or x_i where it
// is not kept. NaN stays NaN, so that whoever watches the result sees it. y: as many as x.
void fake_quantize(std::span<const float> x, const FakeQuantizer& quantizer, float* y,
                   const Keep& keep = {});

// Sums over kept elements, from which the gradient of every parameter of a quantizer follows.
struct FakeQuantizeSums {
  // grad_y_i times q(x_i) - z - x_i/s, or qmin - z or qmax - z where it saturates: the gradient of
  // the scale by LSQ (Esser et al. 2020, arXiv 1902.08153, eq. 3), without LSQ's factor.
  double scale = 0;
  double low = 0;   // grad_y_i where x_i/s < qmin - z
  double high = 0;  // grad_y_i where x_i/s > qmax - z

  FakeQuantizeSums& operator+=(const FakeQuantizeSums& other) {
    scale += other.scale;
    low += other.low;
    high += other.high;
    return *this;
  }
};

// grad_x_i = grad_y_i where q does not saturate or is not kept, else 0 (straight-through
// estimator). grad_x may be grad_y.
FakeQuantizeSums fake_quantize_backward(std::span<const float> x, std::span<const float> grad_y,
                                        const FakeQuantizer& quantizer, float* grad_x,
                                        const Keep& keep = {});

// y_i = a_i where i is kept, else b_i.
void choose_kept(std::span<const float> a, std::span<const float> b, float* y, const Keep& keep);

}  // namespace halftone
