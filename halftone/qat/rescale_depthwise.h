// Rescaling of depthwise filters, for one scale a weight: channels that a ReLU6 does not clip take
// the range of those that it does (Goncharenko et al. 2018, arXiv 1812.07872, section 6.2).
#pragma once

#include <cstddef>

#include "halftone/graph/graph.h"
#include "halftone/ptq/equalize.h"

namespace halftone {

// Channels whose filters' largest magnitude is above `least_spread` times the median's are worth
// it.
constexpr double kLeastSpread = 8;

// For every depthwise convolution whose output, through at most one activation, one Conv or Gemm
// alone reads, and whose filters' ranges spread by more than `least_spread`: channel k is
// multiplied by S[k] and the next layer's input channel divided by it. Channels that reach 5.9 / 6
// of the clip (`seen` before it, by the value's name; no entry: the layer stays) keep S = 1; their
// mean range, or that of all where there are none, is what the others get, as far as the clip
// allows (S <= 5.9/6 clip / seen). The function is the same on what was seen. Returns the number of
// layers.
size_t rescale_depthwise(Graph& graph, const ChannelMaxima& seen,
                         double least_spread = kLeastSpread);

}  // namespace halftone
