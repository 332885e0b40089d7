// Which sites cost most, why, and what to do.
#pragma once

#include <string>
#include <vector>

#include "halftone/sensitivity/one_site.h"

namespace halftone {

struct Culprit {
  SiteEffect effect;
  std::string reason;  // empty where none can be told
  std::string remedy;  // options of the command line that take the loss away
};

// Every site, worst first: its effect on `samples`, and a reason from the first batch and the
// weights: a range that outliers set, one channel that dwarfs the others, dead channels, values
// that saturate.
std::vector<Culprit> explain(const QuantizedNetwork& quantized, const Dataset& data,
                             const std::vector<size_t>& samples, const LoadOptions& load,
                             const Run& run);

}  // namespace halftone
