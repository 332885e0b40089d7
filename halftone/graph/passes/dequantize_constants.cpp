#include <algorithm>

#include "halftone/graph/interpreter.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {

void dequantize_constants(Graph& graph) {
  std::erase_if(graph.nodes, [&](const Node& node) {
    if (node.op_type != "DequantizeLinear" || !node.domain.empty()) return false;
    std::vector<const Tensor*> inputs;
    for (const std::string& name : node.inputs) {
      inputs.push_back(name.empty() ? nullptr : graph.constant(name));
      if (!name.empty() && !inputs.back()) return false;
    }
    graph.initializers.emplace(node.outputs[0], evaluate_node(node, inputs).at(0));
    return true;
  });
  remove_dead_code(graph);
}

}  // namespace halftone
