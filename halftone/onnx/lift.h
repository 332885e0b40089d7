// Brings models of opset 7 to 12 to opset 13, which per-channel quantization needs and which
// operators are written for.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

inline constexpr int64_t kLeastOpset = 13;

// The same model at opset 13 or later: attributes that became inputs are moved (Squeeze, Unsqueeze,
// Split, ReduceSum, Slice, Pad, Clip, TopK, Dropout), Upsample and the first Resize take today's
// Resize, Softmax and its kin keep their old meaning (everything from the axis on is one vector),
// and initializers that IR versions before 4 had to list as inputs are constants. Subgraphs are
// lifted with their graph. Models that are new enough come back as they are. Throws Error naming
// the node that cannot be lifted, or the opset that is too old.
Model lifted(const Model& model);

}  // namespace halftone
