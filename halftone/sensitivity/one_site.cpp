#include "halftone/sensitivity/one_site.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "halftone/graph/cost.h"
#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"
#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

// Sites that are switched together: those that share one scale, or one weight.
struct Group {
  SiteEffect effect;
  std::set<std::string> names;
  std::set<std::string> affected;  // values that may change when the group is switched
};

struct Sums {
  double signal = 0, noise = 0;  // of the quantized network
  double samples = 0;
  std::vector<double> alone, without;  // noise by group
  std::vector<double> divergence;      // of the group alone
};

std::vector<Group> groups_of(const Placement& placement, const QuantizedSites& sites,
                             const std::set<std::string>& only) {
  std::vector<Group> groups;
  std::map<std::string, size_t> by_owner;
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kBias) continue;
    const bool is_weight = site.kind == SiteKind::kWeight;
    const std::string& owner = is_weight ? site.name : site.shares_with;
    if (!only.empty() && !only.contains(owner)) continue;
    const int bits =
        is_weight ? sites.weights.at(owner).params.bits : sites.activations.at(owner).bits;
    const auto [found, is_new] = by_owner.emplace((is_weight ? "w " : "a ") + owner, groups.size());
    if (is_new) groups.push_back({{.site = owner, .kind = site.kind, .bits = bits}, {}, {}});
    groups[found->second].names.insert(site.name);
  }
  return groups;
}

// The values of `names`, where they are computed, and everything that depends on them.
std::set<std::string> affected_by(const Graph& graph, const std::set<std::string>& names) {
  std::set<std::string> affected;
  for (const Node& node : graph.nodes) {
    const bool makes =
        std::ranges::any_of(node.outputs, [&](const auto& name) { return names.contains(name); });
    const bool reads = std::ranges::any_of(node.inputs, [&](const auto& name) {
      return names.contains(name) || affected.contains(name);
    });
    if (makes || reads) affected.insert(node.outputs.begin(), node.outputs.end());
  }
  for (const std::string& name : names) affected.insert(name);
  return affected;
}

double energy(const at::Tensor& value) {
  return value.to(at::kDouble).square().sum().item<double>();
}

// KL(exact || changed) of the softmax over the last axis, summed over all else.
double divergence(const at::Tensor& exact, const at::Tensor& changed) {
  if (exact.dim() == 0) return 0;
  const at::Tensor p = at::log_softmax(exact.to(at::kDouble), -1),
                   q = at::log_softmax(changed.to(at::kDouble), -1);
  return (p.exp() * (p - q)).sum().item<double>();
}

// What takes the place of constants where a weight is quantized, by its site: the weight and its
// bias.
std::map<std::string, TensorMap> constants_of(const QuantizedNetwork& quantized) {
  std::map<std::string, TensorMap> result;
  for (const auto& [name, weight] : quantized.sites.weights)
    result[name][name] = to_torch(dequantize_tensor(weight));
  for (const Node& node : quantized.graph.nodes) {
    if (!is_weighted(node) || node.input(2).empty()) continue;
    const auto found = result.find(node.inputs[1]);
    const auto bias = quantized.corrected.initializers.find(node.inputs[2]);
    if (found != result.end() && bias != quantized.corrected.initializers.end())
      found->second[bias->first] = to_torch(bias->second);
  }
  return result;
}

class OneBatch {
 public:
  OneBatch(const Network& network, const QuantizedSites& sites,
           const std::map<std::string, TensorMap>& constants, TensorMap inputs, size_t count)
      : network_(network),
        sites_(sites),
        constants_(constants),
        inputs_(std::move(inputs)),
        count_(static_cast<int64_t>(count)),
        output_(network.graph().outputs.at(0).name) {}

  Sums run(const std::vector<Group>& groups, bool asks_without) {
    const std::set<std::string> everything = all_values();
    float_values_ = network_.run(inputs_, {.capture = everything});
    auto quantize_all = [](const std::string&) { return true; };
    TensorMap all;
    for (const auto& [site, constants] : constants_) all.insert(constants.begin(), constants.end());
    quantized_values_ = network_.run(
        inputs_, how(quantize_all, all, asks_without ? everything : std::set<std::string>()));
    const at::Tensor exact = rows(float_values_.at(output_));
    Sums sums{.signal = energy(exact),
              .noise = energy(rows(quantized_values_.at(output_)) - exact),
              .samples = static_cast<double>(count_),
              .alone = {},
              .without = {},
              .divergence = {}};
    for (const Group& group : groups) {
      const bool is_weight = group.effect.kind == SiteKind::kWeight;
      TensorMap only, others = all;
      if (is_weight) only = constants_.at(group.effect.site);
      for (const auto& [name, value] : only) others.erase(name);
      auto is_in = [&](const std::string& name) {
        return !is_weight && group.names.contains(name);
      };
      auto is_out = [&](const std::string& name) {
        return is_weight || !group.names.contains(name);
      };
      const at::Tensor changed = rows(rerun(float_values_, group, is_in, only));
      sums.alone.push_back(energy(changed - exact));
      sums.divergence.push_back(divergence(exact, changed));
      if (asks_without)
        sums.without.push_back(
            energy(rows(rerun(quantized_values_, group, is_out, others)) - exact));
    }
    return sums;
  }

 private:
  std::set<std::string> all_values() const {
    std::set<std::string> names;
    for (const auto& [name, value] : inputs_) names.insert(name);
    for (const Node& node : network_.graph().nodes)
      for (const std::string& output : node.outputs)
        if (!output.empty()) names.insert(output);
    return names;
  }

  at::Tensor rows(const at::Tensor& value) const {
    return value.dim() > 0 && value.size(0) > count_ ? value.narrow(0, 0, count_) : value;
  }

  template <typename IsQuantized>
  NetworkRun how(const IsQuantized& is_quantized, const TensorMap& weights,
                 std::set<std::string> capture) const {
    NetworkRun result{.initializers = weights, .capture = std::move(capture)};
    result.replace = [&, is_quantized](const std::string& name, const at::Tensor& value) {
      const auto found = sites_.activations.find(name);
      if (found == sites_.activations.end() || !is_quantized(name)) return at::Tensor();
      return fake_quantize(value, found->second);
    };
    return result;
  }

  // The first output when the group is switched, all that does not depend on it taken from
  // `values`.
  template <typename IsQuantized>
  at::Tensor rerun(const TensorMap& values, const Group& group, const IsQuantized& is_quantized,
                   const TensorMap& weights) const {
    NetworkRun run = how(is_quantized, weights, {});
    for (const auto& [name, value] : values)
      if (!group.affected.contains(name)) run.known.emplace(name, value);
    TensorMap inputs;  // fed values that the group switches
    for (const auto& [name, value] : inputs_)
      if (group.affected.contains(name)) inputs.emplace(name, value);
    return network_.run(inputs, run).at(output_);
  }

  const Network& network_;
  const QuantizedSites& sites_;
  const std::map<std::string, TensorMap>& constants_;
  const TensorMap inputs_;
  const int64_t count_;
  const std::string output_;
  TensorMap float_values_, quantized_values_;
};

}  // namespace

SiteEffects one_site_effects(const QuantizedNetwork& quantized, const Dataset& data,
                             const std::vector<size_t>& samples, const LoadOptions& load,
                             const Run& run, const SiteQuestions& questions) {
  const Network network(quantized.graph);
  auto groups = groups_of(quantized.placement, quantized.sites, questions.only);
  for (Group& group : groups) group.affected = affected_by(quantized.graph, group.names);
  const auto weights = constants_of(quantized);

  const std::vector<double> zeros(groups.size());
  const Sums nothing{.alone = zeros,
                     .without = questions.gain_if_float ? zeros : std::vector<double>(),
                     .divergence = zeros};
  Sums total = nothing;
  over_batches<Sums>(
      data, samples, load, run, "each site alone",
      [&](size_t, const Batch& batch) {
        if (batch.count == 0) return nothing;
        return OneBatch(network, quantized.sites, weights, network_inputs(network, batch),
                        batch.count)
            .run(groups, questions.gain_if_float);
      },
      [&](const Sums& sums) {
        total.signal += sums.signal;
        total.noise += sums.noise;
        total.samples += sums.samples;
        for (size_t g = 0; g < groups.size(); ++g) {
          total.alone[g] += sums.alone[g];
          total.divergence[g] += sums.divergence[g];
          if (questions.gain_if_float) total.without[g] += sums.without[g];
        }
      });

  const double signal = std::max(total.signal, 1e-30);
  SiteEffects result{.loss = total.noise / signal, .sites = {}};
  for (size_t g = 0; g < groups.size(); ++g) {
    groups[g].effect.loss_alone = total.alone[g] / signal;
    groups[g].effect.divergence_alone = total.divergence[g] / std::max(total.samples, 1.0);
    if (questions.gain_if_float)
      groups[g].effect.gain_if_float = (total.noise - total.without[g]) / signal;
    result.sites.push_back(groups[g].effect);
  }
  std::ranges::stable_sort(result.sites, std::greater(), &SiteEffect::loss_alone);
  return result;
}

}  // namespace halftone
