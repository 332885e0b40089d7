#include <algorithm>
#include <set>

#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

constexpr uint64_t kMaxFoldedBytes = 64'000'000;

// Operators whose constants must survive: a quantized weight, and what unpacks it when the file is loaded.
const std::set<std::string> kKept = {"DequantizeLinear", "QuantizeLinear"};

// The constants that a node reads; empty where it reads anything else or must stay.
std::vector<const Tensor*> constant_inputs(const Graph& graph, const Node& node) {
  std::vector<const Tensor*> inputs;
  for (const std::string& name : node.inputs) {
    inputs.push_back(name.empty() ? nullptr : graph.constant(name));
    if (!name.empty() && !inputs.back()) return {};
  }
  return inputs;
}

bool can_fold(const Graph& graph, const Node& node) {
  const GraphOp* op = find_op(node);
  if (!op || !op->evaluate || kKept.contains(node.op_type)) return false;
  if (node.inputs.empty() && node.op_type != "Constant") return false;
  return std::ranges::none_of(node.outputs, [&](const std::string& name) {
    const auto shape = graph.type(name).static_shape();
    return shape && bytes_of(graph.type(name).dtype, static_cast<uint64_t>(element_count(*shape))) > kMaxFoldedBytes;
  });
}

// One sweep in topological order; returns whether anything was folded.
bool fold_nodes(Graph& graph) {
  std::vector<Node> kept;
  bool has_folded = false;
  for (Node& node : graph.nodes) {
    const auto inputs = constant_inputs(graph, node);
    if (inputs.size() != node.inputs.size() || !can_fold(graph, node)) {
      kept.push_back(std::move(node));
      continue;
    }
    Tensors results = evaluate_node(node, inputs);
    for (size_t i = 0; i < node.outputs.size() && i < results.size(); ++i)
      if (!node.outputs[i].empty()) graph.initializers.emplace(node.outputs[i], std::move(results[i]));
    has_folded = true;
  }
  graph.nodes = std::move(kept);
  return has_folded;
}

// Puts values that shape inference knows in place of the nodes that compute them.
bool use_known_values(Graph& graph, const std::map<std::string, Tensor>& known) {
  const size_t before = graph.nodes.size();
  std::erase_if(graph.nodes, [&](const Node& node) {
    const bool all_known =
        std::ranges::all_of(node.outputs, [&](const std::string& name) { return known.contains(name); });
    if (all_known)
      for (const std::string& name : node.outputs) graph.initializers.emplace(name, known.at(name));
    return all_known;
  });
  return graph.nodes.size() < before;
}

}  // namespace

void fold_constants(Graph& graph) {
  bool changed = true;
  while (changed) {
    changed = fold_nodes(graph);
    changed = use_known_values(graph, infer_shapes(graph)) || changed;
  }
  remove_dead_code(graph);
}

}  // namespace halftone
