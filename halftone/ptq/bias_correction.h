// Rounding shifts the mean of a layer's output; the bias takes the shift back. Here the empirical form, from data.
#pragma once

#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/export/placement.h"
#include "halftone/nn/network.h"

namespace halftone {

enum class BiasCorrection {
  kNone,
  kEmpirical,  // from samples: correct_biases below
  kAnalytic,   // from the statistics of BatchNormalization: ptq/analytic_bias_correction.h
};
// "none", "empirical", "analytic"; throws UsageError for every other name.
BiasCorrection bias_correction_named(const std::string& name);

// Adds a bias of zeros to every Conv and Gemm with a constant weight and no bias, so that it can be corrected.
void give_biases(Graph& graph);

// b_c <- b_c - (E[y_q] - E[y]) for each output channel c of every Conv and Gemm with a quantized weight (Nagel et al. 2019, arXiv 1906.04721,
// section 4.2), E over `samples`. Each layer is measured with all earlier ones quantized and corrected: both networks run once, on
// all samples together, and the quantized one goes on with the corrected output. Writes the biases in `graph`, the graph of
// `original`. Does not depend on run.threads.
void correct_biases(Graph& graph, const Network& original, const Network& quantized, const Placement& placement,
                    const Dataset& data, const std::vector<size_t>& samples, bool skip_broken, const Run& run);

}  // namespace halftone
