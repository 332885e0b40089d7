#include "halftone/graph/passes/fold_batch_norm.h"

#include <cmath>
#include <optional>

#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

// y = x * factor + shift, a pair for each channel.
struct ChannelAffine {
  std::vector<double> factor, shift;
};

std::optional<ChannelAffine> as_affine(const Graph& graph, const Node& bn) {
  if (bn.int_or("training_mode", 0) != 0 || bn.inputs.size() != 5) return std::nullopt;
  std::vector<double> values[4];
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* tensor = graph.constant(bn.inputs[i + 1]);
    if (!tensor) return std::nullopt;
    values[i] = tensor->to_vector<double>();
  }
  const auto& [gamma, beta, mean, variance] = values;
  const double epsilon = static_cast<double>(bn.float_or("epsilon", 1e-5f));
  ChannelAffine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    affine.factor.push_back(gamma[c] / std::sqrt(variance[c] + epsilon));
    affine.shift.push_back(beta[c] - mean[c] * affine.factor[c]);
  }
  return affine;
}

// What BatchNormalization leaves of its input's distribution: its own bias and the magnitude of its
// own factor.
ChannelStatistics statistics_after(const Graph& graph, const Node& bn) {
  ChannelStatistics statistics{.mean = graph.constant(bn.inputs[2])->to_vector<double>(),
                               .deviation = graph.constant(bn.inputs[1])->to_vector<double>()};
  for (double& gamma : statistics.deviation) gamma = std::abs(gamma);
  return statistics;
}

// The axis of the weight that counts output channels; -1 where the node cannot take the factors.
int64_t channel_axis(const Node& node) {
  if (node.op_type == "Conv") return 0;
  if (node.op_type == "ConvTranspose" && node.int_or("group", 1) == 1) return 1;
  if (node.op_type == "Gemm" && node.float_or("alpha", 1) == 1 && node.float_or("beta", 1) == 1)
    return node.int_or("transB", 0) ? 0 : 1;
  return -1;
}

Tensor scaled(const Tensor& weight, const std::vector<double>& factor, int64_t axis) {
  auto values = weight.to_vector<double>();
  const auto inner = static_cast<size_t>(strides_of(weight.shape())[static_cast<size_t>(axis)]);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= factor[i / inner % factor.size()];
  return Tensor::from_doubles(weight.dtype(), weight.shape(), values);
}

void fold_into(Graph& graph, Node& layer, int64_t axis, const Node& bn, const Links& links) {
  const Tensor* weight = graph.constant(layer.input(1));
  const auto affine = as_affine(graph, bn);
  const size_t channels = affine->factor.size();
  std::vector<double> bias(channels, 0.0);
  if (!layer.input(2).empty()) bias = graph.constant(layer.inputs[2])->to_vector<double>();
  for (size_t c = 0; c < channels; ++c) bias[c] = bias[c] * affine->factor[c] + affine->shift[c];

  // A name stays with its layer; a weight or bias that another layer reads too gets a copy of its
  // own.
  auto own_name = [&](const std::string& name) {
    return links.consumers(name).size() == 1 ? name : graph.unique_name(name + "_folded");
  };
  const std::string weight_name = own_name(layer.inputs[1]);
  const std::string bias_name = layer.input(2).empty()
                                    ? graph.unique_name(layer.inputs[1] + "_bias")
                                    : own_name(layer.inputs[2]);
  Tensor folded = scaled(*weight, affine->factor, axis);
  const DType dtype = folded.dtype();
  graph.initializers[weight_name] = std::move(folded);
  graph.initializers[bias_name] =
      Tensor::from_doubles(dtype, {static_cast<int64_t>(channels)}, bias);
  layer.inputs.resize(3);
  layer.inputs[1] = weight_name;
  layer.inputs[2] = bias_name;
  layer.outputs[0] = bn.outputs[0];
  graph.statistics[bn.outputs[0]] = statistics_after(graph, bn);
}

}  // namespace

std::optional<FoldTarget> fold_target(const Graph& graph, const Node& bn, const Links& links) {
  if (bn.op_type != "BatchNormalization" || !bn.domain.empty()) return std::nullopt;
  const int before = links.producer(bn.input(0));
  if (before < 0 || links.only_consumer(bn.input(0)) < 0) return std::nullopt;
  const Node& layer = graph.nodes[static_cast<size_t>(before)];
  const int64_t axis = channel_axis(layer);
  const Tensor* weight = axis < 0 ? nullptr : graph.constant(layer.input(1));
  const auto affine = as_affine(graph, bn);
  if (!weight || !affine || weight->rank() <= axis) return std::nullopt;
  const auto channels = static_cast<int64_t>(affine->factor.size());
  if (weight->shape()[static_cast<size_t>(axis)] != channels) return std::nullopt;
  if (!layer.input(2).empty()) {
    const Tensor* bias = graph.constant(layer.inputs[2]);
    if (!bias || bias->count() != channels) return std::nullopt;
  }
  return FoldTarget{before, axis};
}

void fold_batch_norm(Graph& graph) {
  const Links links(graph);
  std::vector<bool> removed(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& bn = graph.nodes[i];
    const auto target = fold_target(graph, bn, links);
    if (!target) continue;
    fold_into(graph, graph.nodes[static_cast<size_t>(target->layer)], target->axis, bn, links);
    removed[i] = true;
  }
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (!removed[i]) kept.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(kept);
  remove_dead_code(graph);
}

}  // namespace halftone
