// Learns the rounding of one unit's weights and the scales of its activations (eq. numbers in
// soft_rounding.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "halftone/ptq/quantized_region.h"
#include "halftone/ptq/reconstruction.h"
#include "halftone/ptq/value_cache.h"

namespace halftone {

using CacheMap = std::map<std::string, std::shared_ptr<ValueCache>>;

// What a unit learns from: for each input its value in the float and in the quantized network, for
// each output the float one and, with Fisher weighting, the weight of each element's error.
struct UnitData {
  CacheMap float_inputs = {}, quantized_inputs = {}, targets = {}, error_weights = {};
  size_t samples = 0;
  size_t rows_of_a_run = 0;  // fixed batch of the network; 0: any
};

// The region's quantizers as `sites` stand, of the kind that the walk works with.
RegionQuantizers present_quantizers(const QuantizedRegion& region, const QuantizedSites& sites,
                                    const Reconstruction& how);

// Changes `sites` where the unit's loss with rounded weights falls, else leaves them. nullopt, and
// nothing changed, where the run's time was up before the last iteration.
std::optional<UnitReport> train_unit(const Graph& graph, const QuantizedRegion& region,
                                     const UnitData& data, const Reconstruction& how,
                                     const ReconstructionOptions& options,
                                     const Placement& placement, QuantizedSites& sites,
                                     const std::string& progress, const Run& run);

}  // namespace halftone
