#include "halftone/graph/interpreter.h"

#include <unordered_map>

namespace halftone {
namespace {

// Inputs, and behind them what subgraphs take from outside.
std::vector<std::string> values_read(const Node& node) {
  std::vector<std::string> names = node.inputs;
  for (const std::string& name : node.captures()) names.push_back(name);
  return names;
}

}  // namespace

void require_supported(const Node& node) {
  const GraphOp* op = find_op(node);
  if (op && op->evaluate) return;
  std::string known;
  for (const auto& [name, entry] : Registry<GraphOp>::all())
    known += (known.empty() ? "" : ", ") + name;
  throw Error(node.label(), ": the operator ", node.domain.empty() ? "" : node.domain + ".",
              node.op_type, " is not supported; supported are ", known);
}

std::optional<std::vector<const Tensor*>> constant_inputs(const Graph& graph, const Node& node) {
  std::vector<const Tensor*> inputs;
  for (const std::string& name : node.inputs) {
    inputs.push_back(name.empty() ? nullptr : graph.constant(name));
    if (!name.empty() && !inputs.back()) return std::nullopt;
  }
  return inputs;
}

Tensors evaluate_node(const Node& node, std::span<const Tensor* const> inputs) {
  require_supported(node);
  try {
    return find_op(node)->evaluate({node, inputs});
  } catch (const Error& error) {
    throw Error("running ", node.label(), ": ", error.what());
  }
}

Tensors interpret(const Graph& graph, const std::map<std::string, Tensor>& inputs) {
  std::unordered_map<std::string, Tensor> values;
  for (const auto& [name, tensor] : graph.initializers) values[name] = tensor;
  for (const auto& [name, tensor] : inputs) values[name] = tensor;

  std::unordered_map<std::string, size_t> last_use;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const std::string& input : values_read(graph.nodes[i])) last_use[input] = i;

  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    std::vector<const Tensor*> arguments;
    const std::vector<std::string> read = values_read(node);
    for (const std::string& name : read) {
      const auto found = values.find(name);
      if (!name.empty() && found == values.end())
        throw Error("running ", node.label(), ": its input '", name, "' was not given");
      arguments.push_back(name.empty() ? nullptr : &found->second);
    }
    Tensors results = evaluate_node(node, arguments);
    for (size_t k = 0; k < node.outputs.size() && k < results.size(); ++k)
      if (!node.outputs[k].empty()) values[node.outputs[k]] = std::move(results[k]);
    for (const std::string& name : read)
      if (last_use[name] == i && !graph.is_output(name)) values.erase(name);
  }
  Tensors outputs;
  for (const Value& output : graph.outputs) {
    const auto found = values.find(output.name);
    if (found == values.end())
      throw Error("the graph's output '", output.name, "' was not computed");
    outputs.push_back(found->second);
  }
  return outputs;
}

}  // namespace halftone
