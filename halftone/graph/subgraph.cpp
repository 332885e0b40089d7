#include "halftone/graph/subgraph.h"

#include <algorithm>
#include <utility>

namespace halftone {
namespace {

// What a node reads, its subgraphs included.
std::vector<std::string> reads_of(const Node& node) {
  std::vector<std::string> names = node.inputs;
  for (std::string& name : node.captures()) names.push_back(std::move(name));
  std::erase(names, "");
  return names;
}

}  // namespace

std::set<std::string> fed_values(const Graph& graph) {
  std::set<std::string> fed;
  for (const Value& input : graph.fed_inputs()) fed.insert(input.name);
  for (const Node& node : graph.nodes)
    if (std::ranges::any_of(reads_of(node), [&](const auto& name) { return fed.contains(name); }))
      fed.insert(node.outputs.begin(), node.outputs.end());
  return fed;
}

Region region_of(const Graph& graph, std::string name, std::vector<int> nodes) {
  std::ranges::sort(nodes);
  const auto fed = fed_values(graph);
  std::set<std::string> made, seen, read_outside;
  for (int i : nodes) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    made.insert(node.outputs.begin(), node.outputs.end());
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (!std::ranges::binary_search(nodes, static_cast<int>(i)))
      for (const std::string& read : reads_of(graph.nodes[i])) read_outside.insert(read);

  Region region{.name = std::move(name), .nodes = std::move(nodes), .inputs = {}, .outputs = {}};
  for (int i : region.nodes) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    for (const std::string& read : reads_of(node))
      if (fed.contains(read) && !made.contains(read) && seen.insert(read).second)
        region.inputs.push_back(read);
    for (const std::string& output : node.outputs)
      if (!output.empty() && (read_outside.contains(output) || graph.is_output(output)))
        region.outputs.push_back(output);
  }
  return region;
}

Graph subgraph(const Graph& graph, const Region& region) {
  std::set<int> wanted(region.nodes.begin(), region.nodes.end());
  std::set<std::string> needed(region.outputs.begin(), region.outputs.end());
  const std::set<std::string> given(region.inputs.begin(), region.inputs.end());
  for (int i : region.nodes)
    for (const std::string& read : reads_of(graph.nodes[static_cast<size_t>(i)]))
      needed.insert(read);
  // Backwards: what makes a needed value that is not given comes along.
  for (int i = static_cast<int>(graph.nodes.size()) - 1; i >= 0; --i) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    const bool makes = std::ranges::any_of(node.outputs, [&](const auto& name) {
      return needed.contains(name) && !given.contains(name);
    });
    if (!wanted.contains(i) && !makes) continue;
    wanted.insert(i);
    for (const std::string& read : reads_of(node)) needed.insert(read);
  }

  Graph result;
  result.name = region.name;
  for (int i : wanted) result.nodes.push_back(graph.nodes[static_cast<size_t>(i)]);
  for (const std::string& name : needed) {
    const auto constant = graph.initializers.find(name);
    if (constant != graph.initializers.end() && !given.contains(name))
      result.initializers.insert(*constant);
  }
  for (const std::string& name : region.inputs)
    result.inputs.push_back({name, graph.type(name), {}});
  for (const std::string& name : region.outputs)
    result.outputs.push_back({name, graph.type(name), {}});
  for (const auto& [name, type] : graph.value_types)
    if (needed.contains(name)) result.value_types.emplace(name, type);
  for (const auto& [name, found] : graph.statistics)
    if (needed.contains(name)) result.statistics.emplace(name, found);
  return result;
}

}  // namespace halftone
