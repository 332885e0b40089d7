#include <algorithm>
#include <optional>

#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

// Pads of all axes, begins then ends, of a Pad by constant zeros; nullopt for every other one.
std::optional<std::vector<int64_t>> zero_pads(const Graph& graph, const Node& pad) {
  const Tensor* pads = graph.constant(pad.input(1));
  const Tensor* value = graph.constant(pad.input(2));
  if (!pads || !pad.input(3).empty() || pad.string_or("mode", "constant") != "constant")
    return std::nullopt;
  if (!pad.input(2).empty() && (!value || value->item<double>() != 0)) return std::nullopt;
  auto values = pads->to_vector<int64_t>();
  if (values.size() < 6 || std::ranges::any_of(values, [](int64_t v) { return v < 0; }))
    return std::nullopt;
  const size_t rank = values.size() / 2;
  if (values[0] || values[1] || values[rank] || values[rank + 1])
    return std::nullopt;  // batch or channels
  return values;
}

bool can_take(const Node& conv, const std::string& padded) {
  return conv.op_type == "Conv" && conv.domain.empty() && conv.inputs[0] == padded &&
         conv.string_or("auto_pad", "NOTSET") == "NOTSET" &&
         std::count(conv.inputs.begin(), conv.inputs.end(), padded) == 1;
}

void add_pads(Node& conv, const std::vector<int64_t>& all_axes) {
  const size_t rank = all_axes.size() / 2 - 2;
  auto pads = conv.ints_or("pads", std::vector<int64_t>(2 * rank, 0));
  if (pads.size() != 2 * rank) return;
  for (size_t i = 0; i < rank; ++i) {
    pads[i] += all_axes[2 + i];
    pads[rank + i] += all_axes[rank + 4 + i];
  }
  conv.attributes["pads"] = pads;
}

}  // namespace

void absorb_padding(Graph& graph) {
  const Links links(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& pad = graph.nodes[i];
    if (pad.op_type != "Pad" || !pad.domain.empty() || links.is_output(pad.outputs[0])) continue;
    const auto pads = zero_pads(graph, pad);
    const auto& readers = links.consumers(pad.outputs[0]);
    auto node_at = [&](int index) -> Node& { return graph.nodes[static_cast<size_t>(index)]; };
    const bool all_convs = std::ranges::all_of(
        readers, [&](int index) { return can_take(node_at(index), pad.outputs[0]); });
    if (!pads || !all_convs) continue;
    for (int index : readers) {
      add_pads(node_at(index), *pads);
      node_at(index).inputs[0] = pad.inputs[0];
    }
  }
  remove_dead_code(graph);
}

}  // namespace halftone
