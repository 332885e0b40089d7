// Bias correction without data: what rounding the weights adds to a layer's output on average, from
// the statistics that folded BatchNormalization left on the graph (Nagel et al. 2019, arXiv
// 1906.04721, section 4.2 and appendix C).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"
#include "halftone/ptq/normal_moments.h"
#include "halftone/quant/quant_tensor.h"

namespace halftone {

// Of each channel (axis 1) of the values for which they follow from graph.statistics: through Relu
// and Clip as of a clipped normal, through Add as of independent values, and unchanged through
// average pooling, Flatten, Reshape and Slice that keep the channels and Pad by channels of zeros.
// Behind pooling the variance is that of single values. Other values have no entry.
std::map<std::string, std::vector<Moments>> channel_moments(const Graph& graph);

// b_c -= sum over inputs i of E[x_i] * (sum over kernel positions of W_q - W)[c, i], for every Conv
// and Gemm with a constant bias (give_biases) whose weight is in `weights`, by name, and whose
// input has moments. Padding is not counted. Returns the number of corrected layers.
size_t correct_biases_analytically(Graph& graph, const std::map<std::string, QuantTensor>& weights);

}  // namespace halftone
