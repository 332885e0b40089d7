#include <algorithm>

#include "halftone/graph/interpreter.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {

void dequantize_constants(Graph& graph) {
  std::erase_if(graph.nodes, [&](const Node& node) {
    if (node.op_type != "DequantizeLinear" || !node.domain.empty()) return false;
    const auto inputs = constant_inputs(graph, node);
    if (!inputs) return false;
    graph.initializers.emplace(node.outputs[0], evaluate_node(node, *inputs).at(0));
    return true;
  });
  remove_dead_code(graph);
}

}  // namespace halftone
