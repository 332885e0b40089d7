// A quantized network that is simulated: sums of codes instead of sums of values.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// Each Conv of values dequantized by constant scales sums the codes instead, bias codes included
// (whose scale must be s_x * s_w), and multiplies the sum by s_x * s_w. Codes of 8 bits and their
// products are whole numbers, whose sums float32 holds exactly below 2^24 in any order. Where one
// QuantizeLinear of scale s_y alone reads the result, at most through Relu and Clip, the factor is
// (s_x * s_w) / s_y, that scale becomes 1 and limits between them are divided by it: the simulation
// then rounds as integer kernels do. Types must be inferred. Outputs stay the same up to
// float rounding; values in between may be in steps of their quantizer.
void sum_codes(Graph& graph);

}  // namespace halftone
