#include "halftone/ptq/absorb_bias.h"

#include <algorithm>
#include <vector>

#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/layer_pairs.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

constexpr double kDeviations = 3;

bool has_padding(const Node& node) {
  const std::string automatic = node.string_or("auto_pad", "NOTSET");
  const auto pads = node.ints_or("pads", {});
  const bool pads_by_size = automatic != "NOTSET" && automatic != "VALID";
  return node.op_type == "Conv" &&
         (pads_by_size || std::ranges::any_of(pads, [](int64_t pad) { return pad != 0; }));
}

// How much of each channel moves on.
std::vector<double> absorbed(const ChannelStatistics& statistics, const LayerPair& pair) {
  std::vector<double> result = statistics.mean;
  if (!pair.activation) return result;
  for (size_t c = 0; c < result.size(); ++c) {
    const double spread = kDeviations * statistics.deviation[c];
    const bool reaches_clip = pair.limit && statistics.mean[c] + spread > *pair.limit;
    result[c] = reaches_clip ? 0 : std::max(0.0, statistics.mean[c] - spread);
  }
  return result;
}

void add_to_bias(Graph& graph, const Node& layer, const std::vector<double>& shift) {
  Tensor& tensor = graph.initializers.at(layer.inputs[2]);
  auto bias = tensor.to_vector<double>();
  for (size_t c = 0; c < bias.size(); ++c) bias[c] += shift[c];
  tensor = Tensor::from_doubles(tensor.dtype(), tensor.shape(), bias);
}

}  // namespace

size_t absorb_high_biases(Graph& graph) {
  give_biases(graph);
  size_t channels = 0;
  for (const LayerPair& pair : layer_pairs(graph)) {
    const Node &first = graph.nodes[pair.first], &second = graph.nodes[pair.second];
    const auto known = graph.statistics.find(first.outputs[0]);
    if (known == graph.statistics.end() || first.input(2).empty() || second.input(2).empty() ||
        has_padding(second))
      continue;
    const bool is_scaled = first.float_or("beta", 1) != 1 || second.float_or("beta", 1) != 1 ||
                           second.float_or("alpha", 1) != 1;
    if (is_scaled) continue;
    const auto moved = absorbed(known->second, pair);
    const auto weight = LayerWeight::of(graph, second);
    std::vector<double> gained(weight->outputs, 0), lost(moved.size());
    for (size_t e = 0; e < weight->values.size(); ++e)
      gained[weight->output_of(e)] += weight->values[e] * moved[weight->input_of(e)];
    for (size_t c = 0; c < moved.size(); ++c) lost[c] = -moved[c];
    add_to_bias(graph, first, lost);
    add_to_bias(graph, second, gained);
    for (size_t c = 0; c < moved.size(); ++c) known->second.mean[c] -= moved[c];
    channels += static_cast<size_t>(std::ranges::count_if(moved, [](double c) { return c != 0; }));
  }
  return channels;
}

}  // namespace halftone
