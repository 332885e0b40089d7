#include "halftone/qat/batch_norm.h"

#include <ATen/ATen.h>

#include <cmath>

#include "halftone/export/placement.h"
#include "halftone/graph/links.h"

namespace halftone {

std::map<std::string, FollowingBatchNorm> following_batch_norms(const Graph& graph) {
  const Links links(graph);
  std::map<std::string, FollowingBatchNorm> result;
  for (const Node& bn : graph.nodes) {
    if (bn.op_type != "BatchNormalization" || !bn.domain.empty() || bn.inputs.size() != 5) continue;
    const int before = links.producer(bn.inputs[0]);
    if (before < 0 || links.consumers(bn.inputs[0]).size() != 1) continue;
    const Node& layer = graph.nodes[static_cast<size_t>(before)];
    const Tensor* weight = graph.constant(layer.input(1));
    if (!weight || output_channel_axis(layer, weight->rank()) < 0) continue;
    if (links.consumers(layer.inputs[1]).size() != 1 || !graph.constant(bn.inputs[1])) continue;
    result[layer.inputs[1]] = {bn.inputs[1], bn.inputs[2], bn.inputs[3], bn.inputs[4],
                               static_cast<double>(bn.float_or("epsilon", 1e-5f))};
  }
  return result;
}

namespace {

void turn_round(Graph& graph, const std::string& name, const std::vector<bool>& turned,
                int64_t axis) {
  Tensor& tensor = graph.initializers.at(name);
  auto values = tensor.to_vector<double>();
  const auto inner = static_cast<size_t>(strides_of(tensor.shape())[static_cast<size_t>(axis)]);
  for (size_t i = 0; i < values.size(); ++i)
    if (turned[i / inner % turned.size()]) values[i] = -values[i];
  tensor = Tensor::from_doubles(tensor.dtype(), tensor.shape(), values);
}

}  // namespace

void make_gammas_positive(Graph& graph, const std::map<std::string, FollowingBatchNorm>& norms) {
  for (const Node& layer : graph.nodes) {
    const auto norm = norms.find(layer.input(1));
    if (norm == norms.end()) continue;
    std::vector<bool> turned;
    for (float gamma : graph.initializers.at(norm->second.gamma).to_vector<float>())
      turned.push_back(gamma < 0);
    const int64_t rank = graph.initializers.at(norm->first).rank();
    turn_round(graph, norm->first, turned, output_channel_axis(layer, rank));
    for (const std::string& name : {layer.input(2), norm->second.gamma, norm->second.mean})
      if (!name.empty()) turn_round(graph, name, turned, 0);
  }
}

std::vector<float> folding_factors(const Graph& graph, const FollowingBatchNorm& norm) {
  const auto gammas = graph.initializers.at(norm.gamma).to_vector<double>();
  const auto variances = graph.initializers.at(norm.variance).to_vector<double>();
  std::vector<float> factors;
  for (size_t c = 0; c < gammas.size(); ++c)
    factors.push_back(static_cast<float>(gammas[c] / std::sqrt(variances[c] + norm.epsilon)));
  return factors;
}

void reestimate_batch_norm(const TrainedNetwork& network, const std::vector<TensorMap>& batches) {
  const Network& inner = network.network();
  if (inner.running_statistics().empty() || batches.empty()) return;
  // Momentum 0 leaves of the old statistics nothing: after a run they are the batch's.
  Graph forgetting = inner.graph();
  for (Node& node : forgetting.nodes)
    if (node.op_type == "BatchNormalization") node.attributes["momentum"] = 0.0f;
  const Network probe(forgetting);
  TensorMap sums;
  for (const TensorMap& batch : batches) {
    const at::NoGradGuard no_gradient;
    TensorMap found = network.run_statistics(probe, batch);
    for (auto& [name, value] : found) {
      at::Tensor& sum = sums[name];
      sum = sum.defined() ? sum + value : value;
    }
  }
  const at::NoGradGuard no_gradient;
  for (const auto& [name, sum] : sums)
    inner.parameters().at(name).copy_(sum / static_cast<double>(batches.size()));
}

}  // namespace halftone
