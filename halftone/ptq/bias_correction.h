// Rounding shifts the mean of a layer's output; the bias takes the shift back. Here the empirical
// form, from data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/nn/network.h"
#include "halftone/quant/quant_tensor.h"

namespace halftone {

enum class BiasCorrection {
  kNone,
  kEmpirical,  // from samples: correct_biases below
  kAnalytic,   // from the statistics of BatchNormalization: ptq/analytic_bias_correction.h
};
// "none", "empirical", "analytic"; throws UsageError for every other name.
BiasCorrection bias_correction_named(const std::string& name);

// Adds a bias of zeros to every Conv and Gemm with a constant weight and no bias, so that it can be
// corrected.
void give_biases(Graph& graph);

// b_c <- b_c - E[(W_q - W) * x]_c for each output channel c of every Conv and Gemm with a constant
// bias whose weight is in `weights`, by name (Nagel et al. 2019, arXiv 1906.04721, section 4.2). x
// is the layer's input in the float network, E the mean over `samples` and positions, and over the
// layers where several read the bias. graph: of `network`, whose biases may differ; corrected in
// place. Does not depend on run.threads.
//
// x is not what the quantized layers before give: below 8 bits the noise that they add raises the
// mean behind every ReLU, and taking that back from channels that are seldom active leaves less and
// less of the signal (docs/results/ptq.md).
void correct_biases(Graph& graph, const Network& network,
                    const std::map<std::string, QuantTensor>& weights, const Dataset& data,
                    const std::vector<size_t>& samples, const LoadOptions& how, const Run& run);

}  // namespace halftone
