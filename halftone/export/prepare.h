// From a model as it was read to the form that quantization works on.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// Lifted to opset 13 or later and canonical (graph/passes). Throws Error where the model is quantized already.
Model prepare(const Model& model);

}  // namespace halftone
