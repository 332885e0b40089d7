#include <algorithm>
#include <set>

#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

constexpr uint64_t kMaxFoldedBytes = 64'000'000;

// Operators whose constants must survive, a quantized weight, and those that read more than their
// inputs.
const std::set<std::string> kKept = {"DequantizeLinear", "QuantizeLinear", "If", "Loop", "Scan"};

bool can_fold(const Graph& graph, const Node& node) {
  const GraphOp* op = find_op(node);
  if (!op || !op->evaluate || kKept.contains(node.op_type)) return false;
  if (node.inputs.empty() && node.op_type != "Constant") return false;
  return std::ranges::none_of(node.outputs, [&](const std::string& name) {
    const auto shape = graph.type(name).static_shape();
    return shape && bytes_of(graph.type(name).dtype, static_cast<uint64_t>(element_count(*shape))) >
                        kMaxFoldedBytes;
  });
}

// One sweep in topological order; returns whether anything was folded.
bool fold_nodes(Graph& graph) {
  std::vector<Node> kept;
  bool has_folded = false;
  for (Node& node : graph.nodes) {
    const auto inputs = constant_inputs(graph, node);
    if (!inputs || !can_fold(graph, node)) {
      kept.push_back(std::move(node));
      continue;
    }
    Tensors results = evaluate_node(node, *inputs);
    for (size_t i = 0; i < node.outputs.size() && i < results.size(); ++i)
      if (!node.outputs[i].empty())
        graph.initializers.emplace(node.outputs[i], std::move(results[i]));
    has_folded = true;
  }
  graph.nodes = std::move(kept);
  return has_folded;
}

// Puts values that shape inference knows in place of the nodes that compute them.
bool use_known_values(Graph& graph, const std::map<std::string, Tensor>& known) {
  const size_t before = graph.nodes.size();
  std::erase_if(graph.nodes, [&](const Node& node) {
    const bool all_known = std::ranges::all_of(
        node.outputs, [&](const std::string& name) { return known.contains(name); });
    if (all_known)
      for (const std::string& name : node.outputs) graph.initializers.emplace(name, known.at(name));
    return all_known;
  });
  return graph.nodes.size() < before;
}

// A Reshape to [batch, -1, 8], computed from the input's own symbolic dimensions, becomes one to
// the constant [0, -1, 8].
bool settle_reshapes(Graph& graph, const ShapeFacts& facts) {
  bool changed = false;
  for (Node& node : graph.nodes) {
    const bool is_reshape =
        node.op_type == "Reshape" && node.domain.empty() && node.int_or("allowzero", 0) == 0;
    if (!is_reshape || graph.constant(node.input(1))) continue;
    const auto wanted = facts.elements.find(node.input(1));
    const auto shape = graph.type(node.input(0)).shape;
    if (wanted == facts.elements.end() || !shape) continue;
    std::vector<int64_t> target;
    for (size_t i = 0; i < wanted->second.size(); ++i) {
      const Dim& dim = wanted->second[i];
      const bool is_copied = !dim.symbol.empty() && i < shape->size() && (*shape)[i] == dim;
      target.push_back(is_copied ? 0 : dim.known() ? dim.value : -1);
    }
    if (std::ranges::count(target, -1) > 1) continue;
    node.inputs[1] = graph.unique_name(node.outputs[0] + "_shape");
    const auto rank = static_cast<int64_t>(target.size());
    graph.initializers[node.inputs[1]] = Tensor::of<int64_t>({rank}, std::move(target));
    changed = true;
  }
  return changed;
}

}  // namespace

void fold_constants(Graph& graph) {
  bool changed = true;
  while (changed) {
    changed = fold_nodes(graph);
    const ShapeFacts facts = infer_shapes(graph);
    changed = use_known_values(graph, facts.values) || changed;
    changed = settle_reshapes(graph, facts) || changed;
  }
  remove_dead_code(graph);
}

}  // namespace halftone
