// A range of activations as scale and zero point.
#pragma once

#include "halftone/quant/spec.h"

namespace halftone {

// Signed codes around a zero point of 0: what targets without zero points have.
bool is_symmetric(const QuantParams& params);

// [low, high] in the codes of `range`: with zero point 0 and the larger magnitude at the last code,
// or as affine_params().
QuantParams range_params(float low, float high, int bits, CodeRange range, bool symmetric);

}  // namespace halftone
