#include "halftone/graph/passes/separate_skips.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"

namespace halftone {
namespace {

bool is_add(const Node& node) { return node.op_type == "Add" && node.domain.empty(); }

bool is_separable(const Graph& graph, const Links& links, const std::string& value) {
  if (links.is_output(value)) return false;
  bool has_layer = false, has_add = false;
  for (int reader : links.consumers(value)) {
    const Node& node = graph.nodes[static_cast<size_t>(reader)];
    has_layer = has_layer || is_weighted(node);
    has_add = has_add || is_add(node);
  }
  return has_layer && has_add;
}

}  // namespace

void separate_skips(Graph& graph, const std::function<bool(const std::string&)>& is_chosen) {
  const Links links(graph);
  std::map<std::string, std::string> skips;  // value -> what its maker gives now
  for (const Node& node : graph.nodes)
    for (const std::string& output : node.outputs)
      if (!output.empty() && is_separable(graph, links, output) && is_chosen(output))
        skips[output] = graph.unique_name(skip_name(output));
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (!is_weighted(node))
      for (std::string& input : node.inputs)
        if (const auto skip = skips.find(input); skip != skips.end()) input = skip->second;
    std::vector<Node> copies;
    for (std::string& output : node.outputs) {
      const auto skip = skips.find(output);
      if (skip == skips.end()) continue;
      graph.value_types[skip->second] = graph.type(output);
      if (auto statistics = graph.statistics.extract(output)) {
        statistics.key() = skip->second;
        graph.statistics.insert(std::move(statistics));
      }
      copies.push_back({.name = output + "_copy",
                        .op_type = "Clip",
                        .inputs = {skip->second},
                        .outputs = {output}});
      output = skip->second;
    }
    nodes.push_back(std::move(node));
    std::ranges::move(copies, std::back_inserter(nodes));
  }
  graph.nodes = std::move(nodes);
}

std::string skip_name(const std::string& value) { return value + "_skip"; }

bool is_skip_copy(const Node& node) {
  return node.op_type == "Clip" && node.domain.empty() && node.input(1).empty() &&
         node.input(2).empty();
}

}  // namespace halftone
