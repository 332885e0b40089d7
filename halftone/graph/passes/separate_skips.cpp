#include "halftone/graph/passes/separate_skips.h"

#include <algorithm>
#include <utility>

namespace halftone {
namespace {

bool is_add(const Node& node) { return node.op_type == "Add" && node.domain.empty(); }

// What was known of one value is known of another.
void rename_facts(Graph& graph, const std::string& from, const std::string& to) {
  graph.value_types[to] = graph.type(from);
  if (auto statistics = graph.statistics.extract(from)) {
    statistics.key() = to;
    graph.statistics.insert(std::move(statistics));
  }
}

}  // namespace

std::string skip_name(const std::string& value) { return value + "_skip"; }

void separate_skips(Graph& graph, const std::set<std::string>& values) {
  std::set<std::string> waiting = values;  // whose copy nobody has read yet
  std::vector<Node> nodes;
  auto copy_before = [&](const std::string& read) {
    if (!waiting.erase(read)) return;
    nodes.push_back({.name = read + "_copy",
                     .op_type = "Clip",
                     .inputs = {skip_name(read)},
                     .outputs = {read}});
  };
  for (Node& node : graph.nodes) {
    for (std::string& input : node.inputs) {
      if (!values.contains(input)) continue;
      if (is_add(node))
        input = skip_name(input);
      else
        copy_before(input);
    }
    for (const std::string& captured : node.captures()) copy_before(captured);
    for (std::string& output : node.outputs) {
      if (!values.contains(output)) continue;
      rename_facts(graph, output, skip_name(output));
      output = skip_name(output);
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
  for (Node& node : graph.nodes) {
    for (std::string& input : node.inputs)
      if (const auto found = joined.find(input); found != joined.end()) input = found->second;
    for (std::string& output : node.outputs)
      if (const auto found = joined.find(output); found != joined.end()) {
        rename_facts(graph, output, found->second);
        output = found->second;
      }
  }
}

}  // namespace halftone
