// Learned step sizes, which other quantizers take for the widths that they do not have themselves.
#pragma once

#include <memory>

#include "halftone/nn/quantizer.h"

namespace halftone {

// LSQ (Esser et al. 2020, arXiv 1902.08153): one trained scale a tensor or channel, its gradient
// multiplied by 1/sqrt(elements * qmax). Weights of one bit are s * sign(w).
std::unique_ptr<Quantizer> lsq_weight(const QuantizerStart& start, const at::Tensor& weight);
std::unique_ptr<Quantizer> lsq_activation(const QuantizerStart& start);

// 1/sqrt(elements * qmax), qmax counted from the zero point.
double lsq_factor(double elements, CodeRange range, int32_t zero_point);

}  // namespace halftone
