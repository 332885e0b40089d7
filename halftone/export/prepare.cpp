#include "halftone/export/prepare.h"

#include "halftone/export/compact.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/onnx/lift.h"
#include "halftone/onnx/qdq_form.h"

namespace halftone {

Model prepare(const Model& model) {
  Model result = lifted(unpack(model));
  fold_constants(result.graph);  // scales and widths that stand in Constant nodes
  result = qdq_form(result);
  canonicalize(result.graph);
  return result;
}

}  // namespace halftone
