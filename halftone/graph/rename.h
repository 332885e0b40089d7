// Other names for values where nodes read and make them.
//
//   rename_values(graph, [](const std::string& name) { return name == "y" ? "logits" : name; });
#pragma once

#include <map>
#include <string>
#include <utility>

#include "halftone/graph/graph.h"

namespace halftone {

// The name that `names` gives in place of `name`; that itself where it gives none.
inline const std::string& substituted(const std::map<std::string, std::string>& names,
                                      const std::string& name) {
  const auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

// rename: from the name to the one that stands in its place, the same where it stays. Statistics go
// along; what subgraphs capture, initializers, inputs, outputs and types are left to the caller.
template <typename Rename>
void rename_values(Graph& graph, const Rename& rename) {
  for (Node& node : graph.nodes) {
    for (std::string& name : node.inputs) name = rename(name);
    for (std::string& name : node.outputs) name = rename(name);
  }
  std::map<std::string, ChannelStatistics> statistics;
  for (auto& [name, found] : graph.statistics) statistics.emplace(rename(name), std::move(found));
  graph.statistics = std::move(statistics);
}

}  // namespace halftone
