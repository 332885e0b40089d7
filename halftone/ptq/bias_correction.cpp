#include "halftone/ptq/bias_correction.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "halftone/nn/network_inputs.h"
#include "halftone/nn/op.h"
#include "halftone/nn/over_batches.h"
#include "halftone/nn/tensors.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

// In double.
at::Tensor channel_means(const at::Tensor& value) {
  return value.to(at::kDouble).mean(axes_but_channels(value));
}

struct RoundedLayer {
  const Node* node;
  at::Tensor error;  // of the weight: rounded - original

  const std::string& bias() const { return node->inputs[2]; }
};

// By the value that each reads.
std::multimap<std::string, RoundedLayer> rounded_layers(
    const Graph& graph, const std::map<std::string, QuantTensor>& weights) {
  std::multimap<std::string, RoundedLayer> layers;
  for (const Node& node : graph.nodes) {
    const bool is_layer = node.op_type == "Conv" || node.op_type == "Gemm";
    if (!is_layer || !weights.contains(node.inputs[1]) || !graph.constant(node.input(2))) continue;
    if (share_of_bias(node) == 0) continue;
    const at::Tensor original = to_torch(graph.initializers.at(node.inputs[1]));
    layers.emplace(
        node.inputs[0],
        RoundedLayer{&node, to_torch(dequantize_tensor(weights.at(node.inputs[1]))) - original});
  }
  return layers;
}

// What the error of the weight adds to each channel of the layer's output on average, in units of
// the bias.
at::Tensor mean_shift(const RoundedLayer& layer, const at::Tensor& input) {
  const at::Tensor inputs[] = {input, layer.error};
  return channel_means(find_nn_op(*layer.node)->run({*layer.node, inputs}).at(0)) /
         share_of_bias(*layer.node);
}

void add(std::map<std::string, at::Tensor>& sums, const std::string& name, const at::Tensor& term) {
  const auto [sum, is_new] = sums.emplace(name, term);
  if (!is_new) sum->second = sum->second + term;
}

}  // namespace

BiasCorrection bias_correction_named(const std::string& name) {
  if (name == "none") return BiasCorrection::kNone;
  if (name == "empirical") return BiasCorrection::kEmpirical;
  if (name == "analytic") return BiasCorrection::kAnalytic;
  throw UsageError("unknown bias correction '", name, "'; known are: none, empirical, analytic");
}

void give_biases(Graph& graph) {
  for (Node& node : graph.nodes) {
    const bool is_layer = (node.op_type == "Conv" || node.op_type == "Gemm") && node.domain.empty();
    const Tensor* weight = is_layer ? graph.constant(node.input(1)) : nullptr;
    if (!weight || !node.input(2).empty() || weight->dtype() != DType::kFloat) continue;
    const int axis = output_channel_axis(node, weight->rank());
    const int64_t channels = weight->shape().at(static_cast<size_t>(axis));
    node.inputs.resize(3);
    node.inputs[2] = graph.unique_name(node.inputs[1] + "_bias");
    graph.initializers[node.inputs[2]] =
        Tensor::of<float>({channels}, std::vector<float>(static_cast<size_t>(channels)));
  }
}

void correct_biases(Graph& graph, const Network& network,
                    const std::map<std::string, QuantTensor>& weights, const Dataset& data,
                    const std::vector<size_t>& samples, const LoadOptions& how, const Run& run) {
  const auto layers = rounded_layers(network.graph(), weights);
  std::map<std::string, double> readers;  // by bias
  for (const auto& [input, layer] : layers) ++readers[layer.bias()];
  using Sums = std::map<std::string, at::Tensor>;  // over samples, of each channel, by bias
  auto shifts_of = [&](size_t, const Batch& batch) {
    Sums sums;
    if (batch.count == 0) return sums;
    auto add_layers = [&](const std::string& name, const at::Tensor& value) {
      const auto [first, last] = layers.equal_range(name);
      for (auto layer = first; layer != last; ++layer)
        add(sums, layer->second.bias(),
            mean_shift(layer->second, real_values(value, batch, how.batch)) * batch.count);
    };
    network.run(network_inputs(network, batch), {.observe = add_layers});
    return sums;
  };
  Sums total;
  size_t count = 0;
  over_batches<std::pair<Sums, size_t>>(
      data, samples, how, run, "correcting biases",
      [&](size_t b, const Batch& batch) { return std::pair(shifts_of(b, batch), batch.count); },
      [&](const std::pair<Sums, size_t>& found) {
        count += found.second;
        for (const auto& [name, sum] : found.first) add(total, name, sum);
      });
  for (const auto& [name, sum] : total) {
    Tensor& bias = graph.initializers.at(name);
    const double terms = static_cast<double>(count) * readers.at(name);
    bias = from_torch(to_torch(bias) - (sum / terms).to(at::kFloat));
  }
}

}  // namespace halftone
