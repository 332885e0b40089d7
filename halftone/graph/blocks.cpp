#include "halftone/graph/blocks.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "halftone/graph/cost.h"
#include "halftone/graph/subgraph.h"

namespace halftone {
namespace {

std::string label_of(const Node& node) { return node.name.empty() ? node.outputs[0] : node.name; }

}  // namespace

std::vector<Block> partition_blocks(const Graph& graph) {
  const auto fed = fed_values(graph);
  std::unordered_map<std::string, size_t> last_read;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const std::string& name : graph.nodes[i].inputs) last_read[name] = i;
  for (const Value& output : graph.outputs) last_read[output.name] = graph.nodes.size();

  std::vector<Block> blocks;
  Block open;
  bool has_weight = false;
  std::set<std::string> alive;
  for (const Value& input : graph.fed_inputs()) alive.insert(input.name);
  if (alive.size() == 1) open.input = *alive.begin();

  auto close = [&](const std::string& output) {
    if (!has_weight && !blocks.empty()) {
      blocks.back().nodes.insert(blocks.back().nodes.end(), open.nodes.begin(), open.nodes.end());
      blocks.back().output = output;
    } else if (!has_weight) {
      return;  // what stands before the first weighted node opens the first block
    } else {
      open.output = output;
      blocks.push_back(open);
    }
    open = {.name = {}, .nodes = {}, .input = output, .output = {}};
    has_weight = false;
  };

  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.outputs.empty() || !fed.contains(node.outputs[0])) continue;
    open.nodes.push_back(static_cast<int>(i));
    if (is_weighted(node) && !has_weight) {
      has_weight = true;
      open.name = label_of(node);
    }
    for (const std::string& output : node.outputs)
      if (last_read.contains(output) && last_read[output] > i) alive.insert(output);
    std::erase_if(alive, [&](const std::string& name) { return last_read[name] <= i; });
    if (alive.size() == 1) close(*alive.begin());
  }
  if (!open.nodes.empty()) close(graph.outputs.empty() ? "" : graph.outputs[0].name);
  return blocks;
}

}  // namespace halftone
