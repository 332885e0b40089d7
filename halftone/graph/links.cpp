#include "halftone/graph/links.h"

namespace halftone {

Links::Links(const Graph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const int index = static_cast<int>(i);
    auto add = [&](const std::string& value) {
      auto& readers = consumers_[value];
      if (readers.empty() || readers.back() != index) readers.push_back(index);
    };
    for (const std::string& input : graph.nodes[i].inputs)
      if (!input.empty()) add(input);
    for (const std::string& input : graph.nodes[i].captures()) add(input);
    for (const std::string& output : graph.nodes[i].outputs)
      if (!output.empty()) producer_[output] = index;
  }
  for (const Value& output : graph.outputs) outputs_[output.name] = true;
}

int Links::producer(const std::string& value) const {
  const auto found = producer_.find(value);
  return found == producer_.end() ? -1 : found->second;
}

const std::vector<int>& Links::consumers(const std::string& value) const {
  static const std::vector<int> kNone;
  const auto found = consumers_.find(value);
  return found == consumers_.end() ? kNone : found->second;
}

int Links::only_consumer(const std::string& value) const {
  const auto& readers = consumers(value);
  return readers.size() == 1 && !is_output(value) ? readers[0] : -1;
}

}  // namespace halftone
