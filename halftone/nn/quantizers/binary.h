// Weights of one bit with the mean magnitude as scale.
#pragma once

#include <memory>

#include "halftone/nn/quantizer.h"

namespace halftone {

// mean|w| sign(w) over a channel, or the tensor (Rastegari et al. 2016; DoReFa's one bit). dy/dx
// = 1. Wider sites (the first and the last layer) get LSQ.
std::unique_ptr<Quantizer> binary_weight(const QuantizerStart& start, const at::Tensor& weight);

}  // namespace halftone
