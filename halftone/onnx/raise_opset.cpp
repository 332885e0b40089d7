#include "halftone/onnx/raise_opset.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "halftone/onnx/subgraph.h"
#include "halftone/onnx/versions.h"

namespace halftone {
namespace {

// From opset 18 on reductions take their axes as an input, and an even Split says into how many
// parts.
void raise_to_18(Graph& graph, Node& node) {
  static const std::set<std::string> kReductions = {
      "ReduceL1",   "ReduceL2",  "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
      "ReduceMean", "ReduceMin", "ReduceProd",   "ReduceSumSquare"};
  if (kReductions.contains(node.op_type) && node.has("axes")) {
    auto axes = node.ints_or("axes", {});
    const auto count = static_cast<int64_t>(axes.size());
    node.inputs.push_back(graph.unique_name(node.outputs[0] + "_axes"));
    graph.initializers[node.inputs[1]] = Tensor::of<int64_t>({count}, std::move(axes));
    node.attributes.erase("axes");
  } else if (node.op_type == "Split" && node.input(1).empty()) {
    node.attributes["num_outputs"] = static_cast<int64_t>(node.outputs.size());
  }
}

// From opset 21 on GroupNormalization scales channels, no longer groups.
void raise_to_21(const Node& node) {
  if (node.op_type == "GroupNormalization")
    throw Error("raising the model to opset 21: ", node.label(),
                " (GroupNormalization) means something else there; convert the model "
                "to opset 21 first, or quantize it for 8-bit activations");
}

void raise(Graph& graph, int64_t from, int64_t to) {
  for (Node& node : graph.nodes) {
    if (!node.domain.empty()) continue;
    for (const char* attribute : {"then_branch", "else_branch", "body"}) {
      if (!node.has(attribute)) continue;
      Graph inner = subgraph_of(node, attribute);
      raise(inner, from, to);
      set_subgraph(node, attribute, inner);
    }
    if (from < 18 && to >= 18) raise_to_18(graph, node);
    if (from < 21 && to >= 21) raise_to_21(node);
  }
}

}  // namespace

void raise_opset(Model& model, int64_t opset) {
  if (model.opset() < opset) raise(model.graph, model.opset(), opset);
  require_versions(model, opset);
}

}  // namespace halftone
