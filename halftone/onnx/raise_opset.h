// A model at a higher opset.
#pragma once

#include <cstdint>

#include "halftone/graph/graph.h"

namespace halftone {

// Raises opset and IR version to what `opset` needs, at least, and rewrites what changed on the way
// from 13 up; never lowers them. Throws Error naming the node where an operator of the old opset
// has no equal in the new one.
void raise_opset(Model& model, int64_t opset);

}  // namespace halftone
