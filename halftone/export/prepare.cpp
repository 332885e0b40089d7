#include "halftone/export/prepare.h"

#include "halftone/graph/passes/passes.h"
#include "halftone/onnx/lift.h"

namespace halftone {

Model prepare(const Model& model) {
  for (const Node& node : model.graph.nodes)
    if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear")
      throw Error("the model is quantized already (", node.label(), "); give --requantize to start from its dequantized values");
  Model result = lifted(model);
  canonicalize(result.graph);
  return result;
}

}  // namespace halftone
