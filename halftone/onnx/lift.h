// Brings models of old opsets to one that can express per-channel quantization.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// The opset that Q/DQ per channel needs, and that operators are written for.
inline constexpr int64_t kLeastOpset = 13;

// The same model at opset 13 or later. Throws Error naming the node where an operator cannot be lifted.
Model lifted(const Model& model);

}  // namespace halftone
