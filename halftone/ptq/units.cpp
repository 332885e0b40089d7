#include "halftone/ptq/units.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "halftone/graph/blocks.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"

namespace halftone {
namespace {

// Each weighted node with the activation that alone reads it; what stands between belongs to the
// unit before.
std::vector<std::vector<int>> layers_of(const Graph& graph) {
  const Links links(graph);
  const auto fed = fed_values(graph);
  std::vector<std::vector<int>> units;
  std::set<int> taken;
  auto is_activation = [](const Node& node) {
    static const std::set<std::string> kKinds{"Relu", "Clip",    "LeakyRelu",   "PRelu",
                                              "Elu",  "Sigmoid", "HardSigmoid", "Tanh"};
    return kKinds.contains(node.op_type);
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool is_fed =
        std::ranges::any_of(node.outputs, [&](const auto& name) { return fed.contains(name); });
    if (!is_fed || taken.contains(static_cast<int>(i))) continue;
    std::vector<int> unit{static_cast<int>(i)};
    const int next = node.outputs.empty() ? -1 : links.only_consumer(node.outputs[0]);
    if (next >= 0 && is_weighted(node) && is_activation(graph.nodes[static_cast<size_t>(next)]))
      unit.push_back(next);
    taken.insert(unit.begin(), unit.end());
    units.push_back(std::move(unit));
  }
  return units;
}

bool has_depthwise(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [&](const Node& node) {
    const Tensor* weight = node.op_type == "Conv" ? graph.constant(node.input(1)) : nullptr;
    return weight && weight->rank() > 1 && weight->shape()[1] == 1 && node.int_or("group", 1) > 1;
  });
}

}  // namespace

std::vector<Region> units_of(const Graph& graph, Reconstruction::Unit unit) {
  std::vector<Region> regions;
  if (unit == Reconstruction::Unit::kBlock) {
    for (const Block& block : partition_blocks(graph))
      regions.push_back(region_of(graph, block.name, block.nodes));
    return regions;
  }
  if (unit == Reconstruction::Unit::kNetwork) {
    std::vector<int> nodes;
    for (const Block& block : partition_blocks(graph))
      nodes.insert(nodes.end(), block.nodes.begin(), block.nodes.end());
    std::ranges::sort(nodes);
    regions.push_back(region_of(graph, "the network", std::move(nodes)));
    return regions;
  }
  for (auto& nodes : layers_of(graph)) {
    const Node& first = graph.nodes[static_cast<size_t>(nodes[0])];
    regions.push_back(
        region_of(graph, first.name.empty() ? first.outputs[0] : first.name, std::move(nodes)));
  }
  return regions;
}

ReconstructionOptions with_defaults(ReconstructionOptions options, const Graph& graph) {
  if (!options.iterations) options.iterations = default_iterations(graph);
  if (!options.batch) options.batch = cost_of(graph).macs > 200'000'000 ? 16 : 32;
  if (options.batch < 4 || options.batch % 4)
    throw UsageError("--batch ", options.batch, ": a multiple of 4");
  if (options.rounding_weight == 0) options.rounding_weight = has_depthwise(graph) ? 0.1 : 0.01;
  if (options.rounding_learning_rate == 0)
    options.rounding_learning_rate = options.iterations <= 2000 ? 1e-2 : 1e-3;
  return options;
}

int default_iterations(const Graph& graph) {
  const double macs = std::max<double>(1, static_cast<double>(cost_of(graph).macs));
  return static_cast<int>(std::clamp(6.1e10 / macs, 1000.0, 5000.0));
}

}  // namespace halftone
