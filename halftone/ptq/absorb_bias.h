// High-bias absorption: what a layer adds to a channel wherever it is on anyway moves into the next
// layer's bias, so that the activation between needs a smaller range (Nagel et al. 2019, arXiv
// 1906.04721, section 4.1.3).
//
//   equalize(graph);
//   absorb_high_biases(graph);    // changes the function slightly: compare the outputs before use
#pragma once

#include <cstddef>

#include "halftone/graph/graph.h"

namespace halftone {

// For each pair (layer_pairs) whose value between has statistics, about N(beta, gamma^2): c =
// max(0, beta - 3 |gamma|), or c = beta where no activation stands between; b1 -= c, b2 += W2 c
// summed over kernel positions, beta -= c. Exact wherever the value is at least c: 99.9 % of a
// normal one. Left as they are: second layers with padding, where the border would change; channels
// whose Clip is reached within 3 |gamma|. Layers without a bias get one. Returns the number of
// channels with c != 0.
size_t absorb_high_biases(Graph& graph);

}  // namespace halftone
