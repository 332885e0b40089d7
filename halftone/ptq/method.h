// A post-training method: how ranges and scales are chosen (and, for those that learn, how rounding
// is).
#pragma once

#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/reconstruction.h"
#include "halftone/quant/weight_scales.h"

namespace halftone {

struct PtqMethod {
  static constexpr const char* kKind = "method";
  std::string name;
  std::string summary;
  std::string paper;
  std::string observer;  // of activations, in Registry<ObserverKind>
  WeightScale weights_at_8_bits;
  WeightScale weights_below;
  BiasCorrection bias_correction;          // after rounding, unless the user asks for another
  std::vector<Reconstruction> walks = {};  // learned rounding and scales, in this order
  // A ladder: other methods, from cheap to dear, tried until one meets the quality that is asked
  // for. Empty: the method itself.
  std::vector<std::string> rungs = {};
};

}  // namespace halftone
