// From a model as it was read to the form that everything works on.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// Lifted to opset 13 or later, its quantized operators as Q and DQ (onnx/qdq_form), and canonical
// (graph/passes). The same function. Throws Error naming the node that cannot be brought to this
// form.
Model prepare(const Model& model);

// The same with BatchNormalization as it is: folding it gives prepare()'s model, with the same
// names.
Model prepare_keeping_batch_norm(const Model& model);

}  // namespace halftone
