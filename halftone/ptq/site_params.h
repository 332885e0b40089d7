// Observed ranges and weights to scales and zero points.
#pragma once

#include <map>
#include <string>

#include "halftone/export/qdq.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "halftone/quant/spec.h"

namespace halftone {

// Parameters of every activation site. Sites that share take the union of their ranges.
std::map<std::string, QuantParams> activation_params(const Placement& placement,
                                                     const Calibration& calibration,
                                                     const std::map<std::string, QuantSpec>& specs,
                                                     const Profile& profile, int threads);

// Codes of every weight site; scales are widened where a bias would not fit (fit_bias).
std::map<std::string, QuantTensor> quantize_weights(
    const Graph& graph, const Placement& placement,
    const std::map<std::string, QuantParams>& activations,
    const std::map<std::string, QuantSpec>& specs, const Profile& profile, const PtqMethod& method,
    bool full_range);

// Products that one output of a weighted node sums.
int64_t products_of(const Tensor& weight, int axis);

}  // namespace halftone
