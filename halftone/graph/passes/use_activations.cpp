#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

// Position of the scalar float32 constant of a node with two inputs; -1 where there is none.
int scalar_input(const Graph& graph, const Node& node, const char* op) {
  if (node.op_type != op || !node.domain.empty() || node.inputs.size() != 2) return -1;
  for (int i : {0, 1}) {
    const Tensor* constant = graph.constant(node.inputs[static_cast<size_t>(i)]);
    const bool is_value = !graph.constant(node.inputs[static_cast<size_t>(1 - i)]);
    if (constant && is_value && constant->rank() == 0 && constant->dtype() == DType::kFloat)
      return i;
  }
  return -1;
}

// Min(Max(x, low), high), the Max read by this Min alone, to Clip(x, low, high).
void use_clip(const Graph& graph, const Links& links, Node& node) {
  const int high = scalar_input(graph, node, "Min");
  if (high < 0) return;
  const std::string& value = node.inputs[static_cast<size_t>(1 - high)];
  const int before = links.producer(value);
  if (before < 0 || links.only_consumer(value) < 0) return;
  const Node& max = graph.nodes[static_cast<size_t>(before)];
  const int low = scalar_input(graph, max, "Max");
  if (low < 0) return;
  node.op_type = "Clip";
  node.inputs = {max.inputs[static_cast<size_t>(1 - low)], max.inputs[static_cast<size_t>(low)],
                 node.inputs[static_cast<size_t>(high)]};
}

}  // namespace

void use_activations(Graph& graph) {
  const Links links(graph);
  for (Node& node : graph.nodes) use_clip(graph, links, node);
  remove_dead_code(graph);
  for (Node& node : graph.nodes) {
    const int zero = scalar_input(graph, node, "Max");
    if (zero < 0 || graph.constant(node.inputs[static_cast<size_t>(zero)])->item<float>() != 0)
      continue;
    node.op_type = "Relu";
    node.inputs.erase(node.inputs.begin() + zero);
  }
}

}  // namespace halftone
