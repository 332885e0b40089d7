// DoReFa's weights, which PACT shares.
#pragma once

#include <memory>

#include "halftone/nn/quantizer.h"

namespace halftone {

// r = tanh(w) / (2 max|tanh(w)|) + 1/2, w_q = c (2 round((2^k-1) r) / (2^k-1) - 1), the maximum
// over the layer, without gradient through it (Zhou et al. 2016, eq. 9). The levels are odd
// multiples of c/(2^k-1) and have no 0: the file holds odd codes of k+1 bits. c keeps the size of
// the weights as they came, fixed by least squares. One bit: mean|w| sign(w). At 8 bits, which
// would need nine: LSQ.
std::unique_ptr<Quantizer> dorefa_weight(const QuantizerStart& start, const at::Tensor& weight);

}  // namespace halftone
