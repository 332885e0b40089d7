#include "halftone/graph/passes/separate_skips.h"

#include <algorithm>
#include <map>
#include <utility>

#include "halftone/graph/links.h"
#include "halftone/graph/moving.h"
#include "halftone/graph/rename.h"

namespace halftone {
namespace {

bool is_add(const Node& node) { return node.op_type == "Add" && node.domain.empty(); }

}  // namespace

std::vector<bool> leads_to_adds(const Graph& graph) {
  const Links links(graph);
  std::vector<bool> leads(graph.nodes.size());
  const auto is_read_by_such = [&](const std::string& value) {
    const auto& readers = links.consumers(value);
    return !readers.empty() && !links.is_output(value) &&
           std::ranges::all_of(readers, [&](int i) { return leads[static_cast<size_t>(i)]; });
  };
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    leads[i] =
        is_add(node) || (moves_or_pads(node) && std::ranges::all_of(node.outputs, is_read_by_such));
  }
  return leads;
}

std::string skip_name(const std::string& value) { return value + "_skip"; }

void separate_skips(Graph& graph, const std::set<std::string>& values) {
  std::set<std::string> waiting = values;  // whose copy nobody has read yet
  const std::vector<bool> leads = leads_to_adds(graph);
  std::vector<Node> nodes;
  auto copy_before = [&](const std::string& read) {
    if (!waiting.erase(read)) return;
    nodes.push_back({.name = read + "_copy",
                     .op_type = "Clip",
                     .inputs = {skip_name(read)},
                     .outputs = {read}});
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    for (std::string& input : node.inputs) {
      if (!values.contains(input)) continue;
      if (leads[i])
        input = skip_name(input);
      else
        copy_before(input);
    }
    for (const std::string& captured : node.captures()) copy_before(captured);
    for (std::string& output : node.outputs) {
      if (!values.contains(output)) continue;
      const std::string skip = skip_name(output);
      graph.value_types[skip] = graph.type(output);
      if (auto statistics = graph.statistics.extract(output)) {
        statistics.key() = skip;
        graph.statistics.insert(std::move(statistics));
      }
      output = skip;
    }
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

bool is_skip_copy(const Node& node) {
  return node.op_type == "Clip" && node.domain.empty() && node.input(1).empty() &&
         node.input(2).empty() && node.inputs[0] == skip_name(node.outputs[0]);
}

std::set<std::string> separated_skips(const Graph& graph) {
  std::set<std::string> values;
  for (const Node& node : graph.nodes)
    if (is_skip_copy(node)) values.insert(node.outputs[0]);
  return values;
}

void join_skips(Graph& graph) {
  std::map<std::string, std::string> joined;  // skip -> value
  for (const std::string& value : separated_skips(graph)) joined[skip_name(value)] = value;
  std::erase_if(graph.nodes, is_skip_copy);
  rename_values(graph, [&](const std::string& name) { return substituted(joined, name); });
}

}  // namespace halftone
