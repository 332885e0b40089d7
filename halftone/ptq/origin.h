// What a written model says of where it came from (metadata halftone.*).
#pragma once

#include <string>

#include "halftone/data/dataset.h"
#include "halftone/graph/graph.h"

namespace halftone {

struct Origin {
  const Model& source;  // as it was read
  const Dataset& data;
  size_t samples = 0;  // of `data`, that ranges were calibrated on
  std::string method;
  uint64_t seed = 0;
};

// Equal runs write equal bytes: no time, no path.
void record_origin(Model& model, const Origin& origin);

}  // namespace halftone
