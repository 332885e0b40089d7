#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

// Whether the axes are exactly 2 .. rank-1.
bool are_spatial(std::vector<int64_t> axes, int64_t rank) {
  if (rank < 3 || static_cast<int64_t>(axes.size()) != rank - 2) return false;
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  for (int64_t axis : axes) {
    if (axis < 0) axis += rank;
    if (axis < 2 || axis >= rank || seen[static_cast<size_t>(axis)]) return false;
    seen[static_cast<size_t>(axis)] = true;
  }
  return true;
}

bool averages_space(const Graph& graph, const Node& node) {
  if (node.op_type != "ReduceMean" || !node.domain.empty()) return false;
  const Tensor* axes = graph.constant(node.input(1));
  const auto shape = graph.type(node.input(0)).shape;
  return shape && are_spatial(axes ? axes->to_vector<int64_t>() : node.ints_or("axes", {}),
                              static_cast<int64_t>(shape->size()));
}

}  // namespace

void use_global_pooling(Graph& graph) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (!averages_space(graph, node)) {
      nodes.push_back(std::move(node));
      continue;
    }
    Node pool{.name = node.name,
              .op_type = "GlobalAveragePool",
              .inputs = {node.inputs[0]},
              .outputs = node.outputs};
    if (node.int_or("keepdims", 1)) {
      nodes.push_back(std::move(pool));
      continue;
    }
    pool.outputs[0] = graph.unique_name(node.outputs[0] + "_pooled");
    Node flatten{.name = node.name + "_flatten",
                 .op_type = "Flatten",
                 .inputs = pool.outputs,
                 .outputs = node.outputs};
    flatten.attributes["axis"] = int64_t{1};
    nodes.push_back(std::move(pool));
    nodes.push_back(std::move(flatten));
  }
  graph.nodes = std::move(nodes);
  remove_dead_code(graph);
}

}  // namespace halftone
