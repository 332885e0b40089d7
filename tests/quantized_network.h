// A float network quantized with the ranges of random samples: for tests above the LibTorch line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/export/placement.h"
#include "halftone/export/prepare.h"
#include "halftone/export/qdq.h"
#include "halftone/graph/interpreter.h"
#include "halftone/quant/weight_scales.h"

namespace halftone {

// samples: inputs of the network, float32, with a batch of 1. First and last layers too take
// `weights` and `activations` bits.
inline Model quantized_network(const Model& network,
                               const std::vector<std::map<std::string, Tensor>>& samples,
                               int weights, int activations,
                               const std::string& target = "onnxruntime") {
  const Model model = prepare(network);
  const Profile& profile = Registry<Profile>::get(target);
  const Placement placement = place(model.graph, profile, {});
  Graph watched = model.graph;
  std::vector<std::string> names;
  QuantizedSites sites;
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kActivation && site.shares_with == site.name)
      names.push_back(site.name);
    if (site.kind != SiteKind::kWeight) continue;
    const Tensor& weight = *model.graph.constant(site.name);
    const auto params =
        weight_params(weight, site.axis, weights, weight_codes(profile, weights, false),
                      WeightScale::kMse, site.name);
    sites.weights.emplace(site.name, quantize_tensor(weight, params, site.name));
  }
  watched.outputs.clear();
  for (const std::string& name : names) watched.outputs.push_back({name, watched.type(name), {}});
  std::map<std::string, MinMax> ranges;
  for (const auto& sample : samples) {
    const Tensors values = interpret(watched, sample);
    for (size_t i = 0; i < names.size(); ++i) {
      const auto found = min_max(values[i].to_vector<float>());
      MinMax& range = ranges[names[i]];
      range = {std::min(range.min, found.min), std::max(range.max, found.max), true};
    }
  }
  const CodeRange codes{0, (1 << activations) - 1};
  for (const std::string& name : names)
    sites.activations[name] = affine_params(ranges[name].min, ranges[name].max, activations, codes);
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation)
      sites.activations[site.name] = sites.activations.at(site.shares_with);
  for (auto& [name, params] : sites.activations) {
    params.axis = -1;
    if (profile.activation_type == DType::kInt8) params.zero_points = {0};  // symmetric
  }
  return write_qdq(model, placement, sites, profile);
}

}  // namespace halftone
