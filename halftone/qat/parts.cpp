#include "halftone/qat/parts.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/graph/blocks.h"
#include "halftone/graph/subgraph.h"

namespace halftone {
namespace {

// Width of the image-like values that a block's convolutions make, at its narrowest; 0 where there
// are none. What global pooling leaves does not count.
int64_t width_of(const Graph& graph, const Block& block) {
  int64_t least = 0;
  for (int i : block.nodes) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    const auto& shape = graph.type(node.outputs[0]).shape;
    const bool is_pooled = node.op_type.starts_with("Global");
    if (is_pooled || !shape || shape->size() != 4 || !shape->back().known()) continue;
    const int64_t width = shape->back().value;
    if (width > 1 && (least == 0 || width < least)) least = width;
  }
  return least;
}

// Whether a part ends behind a block, before the next one.
bool ends_stage(const Graph& graph, const Block& block, const Block& next) {
  const int64_t before = width_of(graph, block), after = width_of(graph, next);
  return after > 0 && after < before;
}

Part part_of(const Graph& graph, std::vector<int> nodes) {
  const std::string name = graph.nodes[static_cast<size_t>(nodes[0])].label();
  const Region region = region_of(graph, name, std::move(nodes));
  if (region.inputs.size() != 1 || region.outputs.size() != 1)
    throw Error("cutting the network behind '", region.name, "': ", region.inputs.size(),
                " values enter the part and ", region.outputs.size(),
                " leave it; guides need networks of one input and one output");
  return {Network(subgraph(graph, region)), region.inputs[0], region.outputs[0]};
}

}  // namespace

std::vector<Part> cut_into_parts(const Graph& graph, const std::string& blocks) {
  if (blocks != "stage" && blocks != "residual")
    throw UsageError("blocks '", blocks, "': they are stage or residual");
  const std::vector<Block> all = partition_blocks(graph);
  std::vector<Part> parts;
  parts.reserve(all.size());
  std::vector<int> nodes;
  for (size_t i = 0; i < all.size(); ++i) {
    nodes.insert(nodes.end(), all[i].nodes.begin(), all[i].nodes.end());
    const bool is_last = i + 1 == all.size();
    if (!is_last && blocks == "stage" && !ends_stage(graph, all[i], all[i + 1])) continue;
    parts.push_back(part_of(graph, std::move(nodes)));
    nodes.clear();
  }
  return parts;
}

std::vector<std::string> cuts_of(const std::vector<Part>& parts) {
  std::vector<std::string> cuts;
  for (size_t i = 0; i + 1 < parts.size(); ++i) cuts.push_back(parts[i].output);
  return cuts;
}

std::vector<at::Tensor> features_of(const std::vector<Part>& parts, const at::Tensor& input) {
  const at::NoGradGuard no_gradient;
  std::vector<at::Tensor> features;
  at::Tensor value = input;
  for (const Part& part : parts) {
    value = part.network.run({{part.input, value}}).at(part.output);
    features.push_back(value);
  }
  return features;
}

}  // namespace halftone
