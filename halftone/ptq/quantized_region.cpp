#include "halftone/ptq/quantized_region.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "halftone/nn/tensors.h"

namespace halftone {

QuantizedRegion::QuantizedRegion(const Graph& graph, Region region, const Placement& placement,
                                 const QuantizedSites& sites)
    : region_(std::move(region)), network_(subgraph(graph, region_)) {
  std::set<std::string> read, made;
  for (int i : region_.nodes) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    read.insert(node.inputs.begin(), node.inputs.end());
    made.insert(node.outputs.begin(), node.outputs.end());
  }
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kWeight && read.contains(site.name) &&
        sites.weights.contains(site.name))
      weight_sites_.push_back(site.name);
    if (site.kind == SiteKind::kBias && read.contains(site.name)) {
      const Node& node = graph.nodes[static_cast<size_t>(site.node)];
      if (sites.activations.contains(node.inputs[0]) && sites.weights.contains(node.inputs[1]))
        biases_.push_back({site.name, node.inputs[0], node.inputs[1],
                           graph.initializers.at(site.name).to_vector<float>()});
    }
    if (site.kind != SiteKind::kActivation || !made.contains(site.name)) continue;
    const QuantParams& params = sites.activations.at(site.name);
    quantizers_[site.name] = {site.shares_with, activation_sites_.size(), params.zero_points[0],
                              params.range};
    activation_sites_.push_back(site.name);
    if (std::ranges::find(owners_, site.shares_with) != owners_.end()) continue;
    owners_.push_back(site.shares_with);
    if (made.contains(site.shares_with)) own_owners_.push_back(site.shares_with);
  }
}

TensorMap QuantizedRegion::run(const TensorMap& inputs, const RegionQuantizers& quantizers) const {
  NetworkRun how{.initializers = quantizers.weights};
  how.replace = [&](const std::string& name, const at::Tensor& value) {
    const auto found = quantizers_.find(name);
    if (found == quantizers_.end()) return at::Tensor();
    const ActivationQuantizer& q = found->second;
    const auto step = quantizers.steps.find(q.owner);
    if (step == quantizers.steps.end()) return at::Tensor();
    const double qmax = std::max(1, q.range.qmax - q.zero_point);
    const double elements = static_cast<double>(value.numel()) * quantizers.normalized_over;
    const double factor = quantizers.normalized_over ? 1 / std::sqrt(elements * qmax) : 1.0;
    const Keep keep{quantizers.keep, quantizers.seeds.empty() ? 0 : quantizers.seeds[q.index]};
    return fake_quantize(
        value, step->second,
        {.range = q.range, .zero_points = {q.zero_point}, .scale_gradient = factor, .keep = keep});
  };
  return network_.run(inputs, how);
}

RegionQuantizers hard_weights(const QuantizedRegion& region, const QuantizedSites& sites) {
  RegionQuantizers result;
  for (const std::string& name : region.weight_sites())
    result.weights[name] = to_torch(dequantize_tensor(sites.weights.at(name)));
  for (const QuantizedRegion::Bias& bias : region.biases())
    if (const auto moved = sites.moved_biases.find(bias.name); moved != sites.moved_biases.end())
      result.weights[bias.name] = at::tensor(at::ArrayRef<float>(moved->second));
  return result;
}

RegionQuantizers hard_quantizers(const QuantizedRegion& region, const QuantizedSites& sites) {
  RegionQuantizers result = hard_weights(region, sites);
  for (const std::string& owner : region.owners())
    result.steps[owner] = at::full({1}, sites.activations.at(owner).scales[0], at::kFloat);
  for (const QuantizedRegion::Bias& bias : region.biases()) {
    const auto moved = sites.moved_biases.find(bias.name);
    result.weights[bias.name] = to_torch(dequantize_tensor(
        round_bias(moved == sites.moved_biases.end() ? bias.values : moved->second,
                   sites.activations.at(bias.input), sites.weights.at(bias.weight).params)));
  }
  return result;
}

}  // namespace halftone
