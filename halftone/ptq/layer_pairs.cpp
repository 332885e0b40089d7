#include "halftone/ptq/layer_pairs.h"

#include "halftone/graph/links.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

// The weight of a layer that may be changed: nobody else reads it or its bias.
std::optional<LayerWeight> own_weight(const Graph& graph, const Node& node, const Links& links) {
  const auto weight = LayerWeight::of(graph, node);
  auto is_own = [&](const std::string& name) {
    return links.consumers(name).size() == 1 && !links.is_output(name);
  };
  if (!weight || !is_own(node.inputs[1]) || node.inputs[0] == node.inputs[1]) return std::nullopt;
  if (node.input(2).empty()) return weight;
  const Tensor* bias = graph.constant(node.inputs[2]);
  if (!bias || bias->count() != static_cast<int64_t>(weight->outputs) || !is_own(node.inputs[2]))
    return std::nullopt;
  return weight;
}

// Whether f(a x) = a f(x) for every a > 0, but for the limit of a Clip.
bool is_homogeneous(const Graph& graph, const Node& node, std::optional<double>& limit) {
  if (!node.domain.empty()) return false;
  if (node.op_type == "Relu" || node.op_type == "LeakyRelu") return true;
  if (node.op_type == "PRelu") return graph.constant(node.input(1)) != nullptr;
  if (node.op_type != "Clip") return false;
  const Tensor* low = graph.constant(node.input(1));
  if (!low || low->item<double>() != 0) return false;
  if (node.input(2).empty()) return true;
  const Tensor* high = graph.constant(node.input(2));
  if (!high || high->item<double>() <= 0) return false;
  limit = high->item<double>();
  return true;
}

}  // namespace

std::vector<LayerPair> layer_pairs(const Graph& graph) {
  const Links links(graph);
  std::vector<LayerPair> pairs;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto first = own_weight(graph, graph.nodes[i], links);
    if (!first) continue;
    LayerPair pair{.first = i};
    std::string value = graph.nodes[i].outputs[0];
    int next = links.only_consumer(value);
    if (next < 0) continue;
    if (is_homogeneous(graph, graph.nodes[static_cast<size_t>(next)], pair.limit)) {
      pair.activation = static_cast<size_t>(next);
      if (graph.nodes[*pair.activation].inputs[0] != value) continue;
      value = graph.nodes[*pair.activation].outputs[0];
      next = links.only_consumer(value);
      if (next < 0) continue;
    }
    pair.second = static_cast<size_t>(next);
    const Node& reader = graph.nodes[pair.second];
    const auto second = own_weight(graph, reader, links);
    if (second && reader.inputs[0] == value && second->inputs == first->outputs)
      pairs.push_back(pair);
  }
  return pairs;
}

}  // namespace halftone
