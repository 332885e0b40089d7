#include "halftone/onnx/lift.h"

namespace halftone {

Model lifted(const Model& model) {
  if (model.opset() >= kLeastOpset) return model;
  throw Error("the model has opset ", model.opset(), "; 13 or later is needed");
}

}  // namespace halftone
