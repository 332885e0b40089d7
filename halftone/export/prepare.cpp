#include "halftone/export/prepare.h"

#include "halftone/export/compact.h"
#include "halftone/graph/passes/canonicalize.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/onnx/lift.h"
#include "halftone/onnx/qdq_form.h"

namespace halftone {

namespace {

Model in_qdq_form(const Model& model) {
  Model result = lifted(unpack(model));
  fold_constants(result.graph);  // scales and widths that stand in Constant nodes
  return qdq_form(result);
}

}  // namespace

Model prepare(const Model& model) {
  Model result = in_qdq_form(model);
  canonicalize(result.graph);
  return result;
}

Model prepare_keeping_batch_norm(const Model& model) {
  Model result = in_qdq_form(model);
  canonicalize_keeping_batch_norm(result.graph);
  return result;
}

}  // namespace halftone
