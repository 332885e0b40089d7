// What comes before anything is learned, after training and in training alike: the float network,
// its sites with their bits, and first ranges and codes.
//
//   Dequantized parts = start_of(model, options);
//   const Placement placement = settled_placement(parts, profile, options, specs);
//   QuantizedSites sites = first_sites(parts, placement, calibration, specs, ...);
#pragma once

#include <map>
#include <string>

#include "halftone/export/dequantize.h"
#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/quantize.h"

namespace halftone {

// The float network, and what the model has of quantization that is to stay. Throws Error where the
// model is quantized throughout and options.requantize does not ask for another start.
Dequantized start_of(const Model& source, const QuantizeOptions& options);

// The placement under the plan: sites kept in float take their operators with them, until nothing
// changes. Sites that the model has quantized already have the bits that they have. Where a layer
// reads fewer bits than the residual Add beside it, the graph of `parts` gets a value for each
// (graph/passes/separate_skips.h). Fills `specs` for every weight and activation site. Throws as
// site_specs().
Placement settled_placement(Dequantized& parts, const Profile& profile,
                            const QuantizeOptions& options,
                            std::map<std::string, QuantSpec>& specs);

// Throws Error naming the initializer that holds NaN or infinity.
void require_finite_weights(const Graph& graph);

// Ranges and rounding, before anything is learned. What the model has already goes before what was
// found.
QuantizedSites first_sites(const Dequantized& parts, const Placement& placement,
                           const Calibration& calibration,
                           const std::map<std::string, QuantSpec>& specs, const Profile& profile,
                           const PtqMethod& method, bool full_range, int threads);

}  // namespace halftone
