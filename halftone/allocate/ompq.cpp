#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "halftone/allocate/importance.h"
#include "halftone/allocate/method.h"
#include "halftone/data/evaluate.h"
#include "halftone/graph/links.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"

namespace halftone {
namespace {

constexpr size_t kSamples = 64;
constexpr size_t kMostFeatureBytes = 256 << 20;  // in memory at a time

bool is_activation(const Node& node) {
  for (const char* op : {"Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid",
                         "HardSwish", "Elu", "Gelu", "Tanh"})
    if (node.op_type == op) return true;
  return false;
}

// The feature of a layer: its output after a BatchNormalization and activation that follow; where
// that is added to another value, the sum after its activation.
class Features {
 public:
  explicit Features(const Graph& graph) : graph_(graph), links_(graph) {}

  std::string of(const std::string& weight) const {
    for (const Node& node : graph_.nodes)
      if (node.input(1) == weight) return followed(node.outputs[0]);
    throw Error("site '", weight, "': no operator reads it");
  }

  int position(const std::string& feature) const { return links_.producer(feature); }

 private:
  const Node* only_reader(const std::string& value) const {
    const int reader = links_.only_consumer(value);
    return reader < 0 ? nullptr : &graph_.nodes[static_cast<size_t>(reader)];
  }

  std::string after(std::string value, bool (*is_followed)(const Node&)) const {
    const Node* reader = only_reader(value);
    return reader && is_followed(*reader) && reader->input(0) == value ? reader->outputs[0] : value;
  }

  std::string followed(std::string value) const {
    value = after(value, [](const Node& node) { return node.op_type == "BatchNormalization"; });
    value = after(value, is_activation);
    const Node* sum = only_reader(value);
    if (!sum || sum->op_type != "Add" || graph_.constant(sum->input(0)) ||
        graph_.constant(sum->input(1)))
      return value;
    return after(sum->outputs[0], is_activation);
  }

  const Graph& graph_;
  const Links links_;
};

// Features in forward order, in groups that fit the memory together.
std::vector<std::vector<std::string>> grouped(const Graph& graph,
                                              const std::vector<std::string>& features,
                                              size_t samples) {
  std::vector<std::vector<std::string>> groups;
  size_t bytes = kMostFeatureBytes;
  for (const std::string& feature : features) {
    const size_t own =
        static_cast<size_t>(sample_elements(graph, feature)) * samples * sizeof(float);
    if (bytes + own > kMostFeatureBytes || groups.empty()) groups.emplace_back(), bytes = 0;
    groups.back().push_back(feature);
    bytes += own;
  }
  return groups;
}

// Rows of real samples; a feature without the batch axis tells nothing of samples.
at::Tensor rows_of(const at::Tensor& value, const std::string& name, const Batch& batch,
                   size_t batch_size) {
  const auto size = static_cast<int64_t>(batch_size), count = static_cast<int64_t>(batch.count);
  if (value.dim() == 0 || value.numel() == 0 || value.size(0) % size != 0)
    throw Error("orthogonality: '", name,
                "' has no row for each sample, so that samples cannot be compared in it");
  return value.to(at::kFloat).reshape({size, -1}).narrow(0, 0, count).contiguous();
}

// The centred Gram matrix of each feature.
std::vector<at::Tensor> centred_grams(const MethodInput& input,
                                      const std::vector<std::string>& features) {
  const Network network(input.graph);
  const auto samples = evenly_spread(all_samples(*input.data), kSamples);
  const LoadOptions how{.batch = batch_size_for(input.graph), .skip_broken = input.skip_broken};
  std::vector<at::Tensor> grams;
  for (const auto& group : grouped(input.graph, features, samples.size())) {
    std::vector<std::vector<at::Tensor>> parts(group.size());
    over_batches<std::vector<at::Tensor>>(
        *input.data, samples, how, input.run,
        text("orthogonality, layers ", grams.size() + 1, " to ", grams.size() + group.size(),
             " of ", features.size()),
        [&](size_t, const Batch& batch) {
          std::vector<at::Tensor> rows;
          if (batch.count == 0) return rows;
          const TensorMap values = network.run(network_inputs(network, batch),
                                               {.capture = {group.begin(), group.end()}});
          for (const std::string& name : group)
            rows.push_back(rows_of(values.at(name), name, batch, how.batch));
          return rows;
        },
        [&](std::vector<at::Tensor> rows) {
          for (size_t k = 0; k < rows.size(); ++k) parts[k].push_back(std::move(rows[k]));
        });
    const OneTorchThread one_thread;
    const c10::InferenceMode inference;
    for (auto& part : parts) {
      if (part.empty()) throw Error("orthogonality: no sample could be read");
      grams.push_back(centred(gram(at::cat(part)), input.options.centring));
      part.clear();
    }
  }
  return grams;
}

std::vector<double> gammas_of(const std::vector<at::Tensor>& grams) {
  const at::Tensor similarity = orthogonality(grams);
  std::vector<double> gammas;
  for (int64_t i = 0; i < similarity.size(0); ++i)
    gammas.push_back(similarity[i].sum().item<double>() - 1);
  return gammas;
}

bool is_linear(const AllocationSites& sites, Utility utility) {
  if (utility != Utility::kByWidth) return utility == Utility::kLinear;
  return std::ranges::all_of(sites.sites, [](const AllocationSite& site) {
    return site.kind != SiteKind::kWeight || site.is_fixed() || site.widths.front() >= 4;
  });
}

Sensitivities ompq(const MethodInput& input) {
  const Features features(input.graph);
  std::map<std::string, std::string>
      feature_of;  // by site; sites that reach the same sum share one
  std::vector<std::string> order;
  for (const AllocationSite& site : input.sites.sites)
    if (site.kind == SiteKind::kWeight)
      order.push_back(feature_of[site.name] = features.of(site.name));
  std::ranges::sort(order, {},
                    [&](const std::string& feature) { return features.position(feature); });
  order.erase(std::ranges::unique(order).begin(), order.end());

  const auto weights = importances(gammas_of(centred_grams(input, order)), input.options.beta);
  const bool linear = is_linear(input.sites, input.options.utility);
  Sensitivities result;
  for (const AllocationSite& site : input.sites.sites) {
    if (site.kind != SiteKind::kWeight || site.is_fixed()) continue;
    const auto at = std::ranges::find(order, feature_of.at(site.name)) - order.begin();
    SiteSensitivity& entry = result[site.name];
    entry.sensitivity = weights[static_cast<size_t>(at)];
    for (int width : site.widths)
      entry.losses[width] =
          entry.sensitivity * (linear ? site.widths.back() - width : std::pow(4, -width));
  }
  return result;
}

HALFTONE_REGISTER(AllocationMethod, "ompq",
                  "Importance from how orthogonal a layer's activations are to all others'",
                  "Ma et al. 2021, arXiv 2109.07865", "exact", true, false, ompq);

}  // namespace

std::vector<double> importances(const std::vector<double>& gammas, double beta) {
  if (gammas.empty()) return {};
  const auto count = static_cast<double>(gammas.size());
  const double least = *std::ranges::min_element(gammas);
  double mean = 0, square = 0;
  for (double gamma : gammas) mean += gamma / count;
  for (double gamma : gammas) square += (gamma - mean) * (gamma - mean) / count;
  const double deviation = square > 0 ? std::sqrt(square) : 1;
  std::vector<double> result(gammas.size());
  double sum = 0;
  for (size_t i = gammas.size(); i-- > 0;) {
    sum += std::exp(-beta * (gammas[i] - least) / deviation);
    result[i] = sum / static_cast<double>(gammas.size() - i);
  }
  return result;
}

}  // namespace halftone
