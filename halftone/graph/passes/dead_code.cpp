#include <algorithm>
#include <set>

#include "halftone/graph/passes/passes.h"

namespace halftone {

void remove_dead_code(Graph& graph) {
  std::set<std::string> needed;
  for (const Value& output : graph.outputs) needed.insert(output.name);
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool is_needed =
        std::ranges::any_of(node->outputs, [&](const auto& name) { return needed.contains(name); });
    if (!is_needed) continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    for (const std::string& name : node->captures()) needed.insert(name);
    kept.push_back(std::move(*node));
  }
  std::ranges::reverse(kept);
  graph.nodes = std::move(kept);

  std::set<std::string> made;
  for (const Node& node : graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  std::erase_if(graph.initializers, [&](const auto& entry) {
    return !needed.contains(entry.first) && !graph.is_input(entry.first);
  });
  std::erase_if(graph.value_types, [&](const auto& entry) { return !made.contains(entry.first); });
  std::erase_if(graph.statistics, [&](const auto& entry) { return !made.contains(entry.first); });
}

}  // namespace halftone
