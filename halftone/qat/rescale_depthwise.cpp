#include "halftone/qat/rescale_depthwise.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "halftone/ptq/layer_pairs.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

constexpr double kReached = 5.9 / 6;  // of the clip

std::vector<double> ranges_of(const LayerWeight& weight) {
  std::vector<double> ranges(weight.outputs, 0.0);
  for (size_t e = 0; e < weight.values.size(); ++e)
    ranges[weight.output_of(e)] =
        std::max(ranges[weight.output_of(e)], std::fabs(weight.values[e]));
  return ranges;
}

bool is_spread(std::vector<double> ranges, double least_spread) {
  std::ranges::sort(ranges);
  return ranges.back() > least_spread * ranges[ranges.size() / 2];
}

double mean_where(const std::vector<double>& values, const std::vector<bool>& chosen) {
  double sum = 0, count = 0;
  for (size_t k = 0; k < values.size(); ++k)
    if (chosen[k]) sum += values[k], ++count;
  return count > 0 ? sum / count : 0;
}

// S of each channel. maxima: before the clip; empty where there is none.
std::vector<double> factors_of(const std::vector<double>& ranges, const std::vector<float>& maxima,
                               const std::optional<double>& clip) {
  const size_t channels = ranges.size();
  std::vector<bool> locked(channels, false), all(channels, true);
  for (size_t k = 0; clip && k < channels; ++k)
    locked[k] = static_cast<double>(maxima[k]) >= kReached * *clip;
  double wanted = mean_where(ranges, locked);
  if (wanted == 0) wanted = mean_where(ranges, all);
  std::vector<double> factors(channels, 1.0);
  for (size_t k = 0; k < channels; ++k) {
    if (locked[k] || ranges[k] == 0) continue;
    factors[k] = wanted / ranges[k];
    if (clip && maxima[k] > 0)
      factors[k] = std::min(factors[k], kReached * *clip / static_cast<double>(maxima[k]));
  }
  return factors;
}

void store(Graph& graph, const std::string& name, const std::vector<double>& values) {
  Tensor& tensor = graph.initializers.at(name);
  tensor = Tensor::from_doubles(tensor.dtype(), tensor.shape(), values);
}

void apply(Graph& graph, const LayerPair& pair, LayerWeight first, LayerWeight second,
           const std::vector<double>& factors) {
  const Node &before = graph.nodes[pair.first], &after = graph.nodes[pair.second];
  for (size_t e = 0; e < first.values.size(); ++e) first.values[e] *= factors[first.output_of(e)];
  for (size_t e = 0; e < second.values.size(); ++e) second.values[e] /= factors[second.input_of(e)];
  store(graph, before.inputs[1], first.values);
  store(graph, after.inputs[1], second.values);
  if (const Tensor* bias = graph.constant(before.input(2))) {
    auto values = bias->to_vector<double>();
    for (size_t k = 0; k < values.size(); ++k) values[k] *= factors[k];
    store(graph, before.inputs[2], values);
  }
}

}  // namespace

size_t rescale_depthwise(Graph& graph, const ChannelMaxima& seen, double least_spread) {
  size_t count = 0;
  for (const LayerPair& pair : layer_pairs(graph)) {
    const auto first = LayerWeight::of(graph, graph.nodes[pair.first]);
    const auto second = LayerWeight::of(graph, graph.nodes[pair.second]);
    if (!first || !second || !first->is_depthwise()) continue;
    const auto ranges = ranges_of(*first);
    if (!is_spread(ranges, least_spread)) continue;
    const auto maxima = seen.find(graph.nodes[pair.first].outputs[0]);
    if (pair.limit && maxima == seen.end()) continue;
    apply(graph, pair, *first, *second,
          factors_of(ranges, pair.limit ? maxima->second : std::vector<float>(), pair.limit));
    ++count;
  }
  return count;
}

}  // namespace halftone
