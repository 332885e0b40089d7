#include "halftone/qat/batch_norm.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "halftone/graph/links.h"
#include "halftone/graph/passes/fold_batch_norm.h"

namespace halftone {

std::map<std::string, FollowingBatchNorm> following_batch_norms(const Graph& graph) {
  const Links links(graph);
  auto is_own = [&](const std::string& name) {
    return name.empty() || links.consumers(name).size() == 1;
  };
  std::map<std::string, FollowingBatchNorm> result;
  for (const Node& bn : graph.nodes) {
    const auto target = fold_target(graph, bn, links);
    if (!target) continue;
    const Node& layer = graph.nodes[static_cast<size_t>(target->layer)];
    FollowingBatchNorm norm{bn.inputs[1], bn.inputs[2], bn.inputs[3], bn.inputs[4],
                            static_cast<double>(bn.float_or("epsilon", 1e-5f))};
    norm.bias = layer.input(2);
    norm.axis = target->axis;
    norm.has_own_constants =
        is_own(norm.gamma) && is_own(norm.mean) && is_own(norm.bias) && is_own(layer.inputs[1]);
    result[layer.inputs[1]] = norm;
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
  for (const auto& [weight, norm] : norms) {
    if (!norm.has_own_constants) continue;
    std::vector<bool> turned;
    for (float gamma : graph.initializers.at(norm.gamma).to_vector<float>())
      turned.push_back(gamma < 0);
    turn_round(graph, weight, turned, norm.axis);
    for (const std::string& name : {norm.bias, norm.gamma, norm.mean})
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

namespace {

// Momentum 0 leaves of the old statistics nothing: after a run they are the batch's.
Graph forgetting(Graph graph) {
  for (Node& node : graph.nodes)
    if (node.op_type == "BatchNormalization") node.attributes["momentum"] = 0.0f;
  return graph;
}

}  // namespace

BatchNormEstimate::BatchNormEstimate(const TrainedNetwork& network)
    : network_(network), probe_(forgetting(network.network().graph())) {}

void BatchNormEstimate::add(const TensorMap& batch) {
  const at::NoGradGuard no_gradient;
  for (auto& [name, value] : network_.run_statistics(probe_, batch)) {
    at::Tensor& sum = sums_[name];
    sum = sum.defined() ? sum + value : value;
  }
  ++batches_;
}

void BatchNormEstimate::finish() {
  const at::NoGradGuard no_gradient;
  for (const auto& [name, sum] : sums_)
    network_.network().parameters().at(name).copy_(sum / static_cast<double>(batches_));
}

}  // namespace halftone
