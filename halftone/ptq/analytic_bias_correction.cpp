#include "halftone/ptq/analytic_bias_correction.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

using Channels = std::vector<Moments>;
using Found = std::optional<Channels>;

Found clipped(const Graph& graph, const Node& node, Channels x) {
  double low = 0, high = HUGE_VAL;
  if (node.op_type == "Clip") {
    const Tensor *lower = graph.constant(node.input(1)), *upper = graph.constant(node.input(2));
    const bool is_computed =
        (!lower && !node.input(1).empty()) || (!upper && !node.input(2).empty());
    if (is_computed) return std::nullopt;
    low = lower ? lower->item<double>() : -HUGE_VAL;
    high = upper ? upper->item<double>() : HUGE_VAL;
  }
  for (Moments& m : x) m = clipped_normal(m.mean, std::sqrt(m.variance), low, high);
  return x;
}

Found sum(Channels x, const Channels& y) {
  if (x.size() != y.size()) return std::nullopt;
  for (size_t c = 0; c < x.size(); ++c) x[c].mean += y[c].mean, x[c].variance += y[c].variance;
  return x;
}

// Along any axis but the one of channels.
Found sliced(const Graph& graph, const Node& node, Channels x) {
  const Tensor* axes = graph.constant(node.input(3));
  if (!axes) return std::nullopt;
  const auto along = axes->to_vector<int64_t>();
  const bool keeps = std::ranges::all_of(along, [](int64_t axis) { return axis >= 2; });
  return keeps ? Found(std::move(x)) : std::nullopt;
}

// By channels of zeros alone.
Found padded(const Graph& graph, const Node& node, const Channels& x) {
  const Tensor *pads = graph.constant(node.input(1)), *value = graph.constant(node.input(2));
  const bool by_zero = node.input(2).empty() || (value && value->item<double>() == 0);
  if (!pads || !by_zero || !node.input(3).empty() ||
      node.string_or("mode", "constant") != "constant")
    return std::nullopt;
  const auto counts = pads->to_vector<int64_t>();
  const size_t rank = counts.size() / 2;
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] < 0 || (i % rank != 1 && counts[i] != 0)) return std::nullopt;
  Channels result(static_cast<size_t>(counts[1]));
  result.insert(result.end(), x.begin(), x.end());
  result.resize(result.size() + static_cast<size_t>(counts[rank + 1]));
  return result;
}

// Flatten and Reshape behind global pooling.
Found reshaped(const Graph& graph, const Node& node, Channels x) {
  const auto shape = graph.type(node.outputs[0]).shape;
  const bool keeps =
      shape && shape->size() >= 2 && (*shape)[1].value == static_cast<int64_t>(x.size());
  return keeps ? Found(std::move(x)) : std::nullopt;
}

Found moments_of(const Graph& graph, const Node& node,
                 const std::map<std::string, Channels>& known) {
  auto input = [&](size_t i) {
    const auto found = known.find(node.input(i));
    return found == known.end() ? nullptr : &found->second;
  };
  const Channels* x = input(0);
  if (!x || !node.domain.empty()) return std::nullopt;
  const std::string& op = node.op_type;
  if (op == "Relu" || op == "Clip") return clipped(graph, node, *x);
  if (op == "Add") return input(1) ? sum(*x, *input(1)) : std::nullopt;
  if (op == "AveragePool" || op == "GlobalAveragePool") return *x;
  if (op == "Flatten" || op == "Reshape") return reshaped(graph, node, *x);
  if (op == "Slice") return sliced(graph, node, *x);
  if (op == "Pad") return padded(graph, node, *x);
  return std::nullopt;
}

}  // namespace

std::map<std::string, std::vector<Moments>> channel_moments(const Graph& graph) {
  std::map<std::string, Channels> known;
  for (const Node& node : graph.nodes) {
    const auto normal = graph.statistics.find(node.outputs[0]);
    if (normal != graph.statistics.end()) {
      Channels& channels = known[node.outputs[0]];
      const auto& [mean, deviation] = normal->second;
      for (size_t c = 0; c < mean.size(); ++c)
        channels.push_back({mean[c], deviation[c] * deviation[c]});
    } else if (auto found = moments_of(graph, node, known)) {
      known[node.outputs[0]] = std::move(*found);
    }
  }
  return known;
}

size_t correct_biases_analytically(Graph& graph,
                                   const std::map<std::string, QuantTensor>& weights) {
  const auto moments = channel_moments(graph);
  std::set<std::string> corrected;  // a bias that several layers read is corrected for the first
  size_t layers = 0;
  for (const Node& node : graph.nodes) {
    const auto original = LayerWeight::of(graph, node);
    if (!original || !graph.constant(node.input(2))) continue;
    const auto rounded = weights.find(node.inputs[1]);
    const auto input = moments.find(node.inputs[0]);
    if (rounded == weights.end() || input == moments.end() ||
        input->second.size() != original->inputs)
      continue;
    const auto values = dequantize_tensor(rounded->second).to_vector<double>();
    std::vector<double> shift(original->outputs, 0);
    for (size_t e = 0; e < values.size(); ++e)
      shift[original->output_of(e)] +=
          (values[e] - original->values[e]) * input->second[original->input_of(e)].mean;
    Tensor& tensor = graph.initializers.at(node.inputs[2]);
    auto bias = tensor.to_vector<double>();
    if (bias.size() != shift.size()) continue;
    const double share = share_of_bias(node);
    if (share == 0 || !corrected.insert(node.inputs[2]).second) continue;
    for (size_t c = 0; c < bias.size(); ++c) bias[c] -= shift[c] * share_of_product(node) / share;
    tensor = Tensor::from_doubles(tensor.dtype(), tensor.shape(), bias);
    ++layers;
  }
  return layers;
}

}  // namespace halftone
