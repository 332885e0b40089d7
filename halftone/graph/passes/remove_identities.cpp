#include <algorithm>
#include <unordered_map>

#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/graph/rename.h"

namespace halftone {
namespace {

bool is_identity(const Graph& graph, const Links& links, const Node& node) {
  if (!node.domain.empty()) return false;
  if (node.op_type == "Identity") return true;
  const bool reads_mask =
      node.outputs.size() > 1 && !node.outputs[1].empty() &&
      (!links.consumers(node.outputs[1]).empty() || links.is_output(node.outputs[1]));
  if (node.op_type == "Dropout") {
    const Tensor* training = graph.constant(node.input(2));
    const bool trains = !node.input(2).empty() && (!training || training->item<int64_t>() != 0);
    return !reads_mask && !trains;
  }
  if (node.op_type == "Pad") {
    const Tensor* pads = graph.constant(node.input(1));
    return pads &&
           std::ranges::all_of(pads->to_vector<int64_t>(), [](int64_t pad) { return pad == 0; });
  }
  return false;
}

}  // namespace

void remove_identities(Graph& graph) {
  const Links links(graph);
  std::unordered_map<std::string, std::string> renamed;  // old name -> the name that stays
  std::vector<bool> removed(graph.nodes.size(), false);
  auto is_captured = [&](const std::string& name) {
    return std::ranges::any_of(links.consumers(name), [&](int i) {
      return std::ranges::count(graph.nodes[static_cast<size_t>(i)].captures(), name) > 0;
    });
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!is_identity(graph, links, node) || is_captured(node.outputs[0])) continue;
    std::string source = node.inputs[0];
    while (renamed.contains(source)) source = renamed[source];
    if (!links.is_output(node.outputs[0])) {
      renamed[node.outputs[0]] = source;
    } else {
      // The graph's output keeps its name; what makes its value takes it over.
      if (links.producer(source) < 0 || links.is_output(source) || is_captured(source)) continue;
      renamed[source] = node.outputs[0];
    }
    removed[i] = true;
  }
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (!removed[i]) kept.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(kept);
  rename_values(graph, [&](std::string name) {
    for (auto found = renamed.find(name); found != renamed.end(); found = renamed.find(name))
      name = found->second;
    return name;
  });
}

}  // namespace halftone
