// Scales and zero points of the quantization operators: one for the tensor, one per index of an
// axis, or one per block along it.
#pragma once

#include <vector>

#include "halftone/graph/op.h"

namespace halftone {

struct Quantization {
  std::vector<float> scales;
  std::vector<int64_t>
      zero_points;  // as many as scales; zeros where none are given or they are of a float type
  std::vector<int64_t> scale_at;  // for every element of the tensor, the index of its scale
};

// Throws Error where the shapes of scale and zero point do not fit those of x, `axis` and
// `block_size`.
Quantization quantization_of(const Tensor& x, const Tensor& scale, const Tensor* zero_point,
                             int64_t axis, int64_t block_size);

// The range of an integer type that numbers are quantized to.
struct IntegerRange {
  int64_t lowest = 0, highest = 0;
};
IntegerRange integer_range(DType dtype);

// clamp(round_half_even(x / scale) + zero_point), in float32 with true division. NaN becomes the
// zero point.
int64_t quantized(float x, float scale, int64_t zero_point, IntegerRange range);

}  // namespace halftone
