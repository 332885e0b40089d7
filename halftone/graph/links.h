// Who makes a value and who reads it.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// A snapshot: it goes stale when nodes are added, removed or reordered.
class Links {
 public:
  explicit Links(const Graph& graph);

  // Index of the node that makes the value, or -1 for inputs, initializers and unknown names.
  int producer(const std::string& value) const;
  // Indices of the nodes that read it, each once, subgraphs included; in topological order.
  const std::vector<int>& consumers(const std::string& value) const;
  bool is_output(const std::string& value) const { return outputs_.contains(value); }
  // The only reader of the value, where there is exactly one and it is not an output of the graph;
  // else -1.
  int only_consumer(const std::string& value) const;

 private:
  std::unordered_map<std::string, int> producer_;
  std::unordered_map<std::string, std::vector<int>> consumers_;
  std::unordered_map<std::string, bool> outputs_;
};

}  // namespace halftone
