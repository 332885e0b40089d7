// Scales of a weight: symmetric, one a tensor or one a channel.
#pragma once

#include <string_view>

#include "halftone/graph/tensor.h"
#include "halftone/quant/spec.h"

namespace halftone {

enum class WeightScale {
  kMinMax,  // the largest magnitude meets the last code
  kMse,     // least squared error over shrunk scales, refined by least squares
};

// weight: float32, finite (throws Error naming `name` otherwise). axis -1: one scale. Zero points are 0.
// A channel of zeros gets scale 1. One bit is s * sign(w), whose best s is the mean magnitude, whatever `how`.
QuantParams weight_params(const Tensor& weight, int axis, int bits, CodeRange range, WeightScale how,
                          std::string_view name);

}  // namespace halftone
