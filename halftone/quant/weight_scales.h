// Scales of a weight: one a tensor, a channel or a block; symmetric, or with zero points.
#pragma once

#include <string_view>

#include "halftone/graph/tensor.h"
#include "halftone/quant/spec.h"

namespace halftone {

enum class WeightScale {
  kMinMax,         // the largest magnitude meets the last code
  kMse,            // least squared error over shrunk scales, refined by least squares
  kMeanMagnitude,  // 2 mean|w| / sqrt(qmax) (Esser et al. 2020, section 2.1)
};

// weight: float32, finite (throws Error naming `name` otherwise). axis -1: one scale. Zero points
// are 0. A channel of zeros gets scale 1. One bit is s * sign(w), whose best s is the mean
// magnitude, whatever `how`.
QuantParams weight_params(const Tensor& weight, int axis, int bits, CodeRange range,
                          WeightScale how, std::string_view name);

// How scales are found, by width.
struct WeightRule {
  WeightScale at_8_bits = WeightScale::kMinMax;
  WeightScale below = WeightScale::kMinMax;
  bool is_affine = false;  // 0 is a code, and the codes reach from the smallest to the largest
                           // value; 2 bits and more
};

// The same for channels of several widths and for blocks. grid: axis, blocks, bits and codes; its
// scales and zero points are replaced.
QuantParams fitted(QuantParams grid, const Tensor& weight, const WeightRule& rule,
                   std::string_view name);

}  // namespace halftone
