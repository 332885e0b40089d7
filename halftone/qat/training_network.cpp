#include "halftone/qat/training_network.h"

#include <algorithm>
#include <cmath>

#include "halftone/data/evaluate.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/graph/passes/separate_skips.h"
#include "halftone/nn/tensors.h"
#include "halftone/ptq/precondition.h"
#include "halftone/ptq/site_params.h"
#include "halftone/ptq/start.h"
#include "halftone/qat/batch_norm.h"
#include "halftone/qat/rescale_depthwise.h"

namespace halftone {
namespace {

Model folded(Model model) {
  fold_batch_norm(model.graph);
  infer_shapes(model.graph);
  return model;
}

// Weights that layers read, in order.
std::vector<std::string> weights_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes)
    if (is_weighted(node)) names.push_back(node.input(1));
  return names;
}

// Whether folding gives the very nodes and weights that the placement speaks of. A weight before
// two normalizations becomes two.
bool folds_to(Graph kept, const Graph& wanted) {
  if (weights_of(kept) != weights_of(wanted)) return false;
  fold_batch_norm(kept);
  return std::ranges::equal(kept.nodes, wanted.nodes, [](const Node& a, const Node& b) {
    return a.op_type == b.op_type && a.outputs == b.outputs;
  });
}

// Of a channel that a factor of 0 leaves nothing of: its bias, in steps of this, stays exact.
constexpr float kLeastScale = 1e-8f;

// The codes of a weight under the factors that folding multiplies its channels by.
QuantTensor multiplied(QuantTensor weight, const std::vector<float>& factors, int axis) {
  const QuantParams before = weight.params;
  weight.params.axis = axis;
  weight.params.scales.assign(factors.size(), kLeastScale);
  weight.params.zero_points.assign(factors.size(), 0);
  for (size_t c = 0; c < factors.size(); ++c) {
    const float scale = before.scales[before.scales.size() == 1 ? 0 : c] * std::fabs(factors[c]);
    weight.params.scales[c] = std::max(scale, kLeastScale);
  }
  each_scale_run(weight.shape, weight.params, [&](size_t first, size_t count, size_t channel) {
    const CodeRange range = weight.params.width_at(channel).range;
    for (size_t i = first; i < first + count; ++i) {
      int32_t& code = weight.codes[i];
      if (factors[channel] < 0) code = std::clamp(-code, range.qmin, range.qmax);
    }
  });
  return weight;
}

// Widens scales whose bias would not fit, and rounds what was there to them.
void fit(QuantTensor& weight, const Tensor& bias, const QuantParams& input, int64_t products) {
  QuantParams wider = weight.params;
  fit_bias(wider, bias.to_vector<float>(), input, products);
  if (wider == weight.params) return;
  weight = quantize_tensor(dequantize_tensor(weight), wider, "a trained weight");
}

// The least limit of the Clips before the sites that share a scale, by its owner.
std::map<std::string, float> upper_limits(const Placement& placement) {
  std::map<std::string, float> limits;
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation && site.upper_limit) {
      const auto [found, is_new] = limits.emplace(site.shares_with, *site.upper_limit);
      found->second = std::min(found->second, *site.upper_limit);
    }
  return limits;
}

// How first ranges and scales are found.
const PtqMethod& range_method(QuantizerRanges ranges) {
  static const PtqMethod mean_magnitude{"lsq",
                                        "",
                                        "",
                                        "mean-magnitude",
                                        WeightScale::kMeanMagnitude,
                                        WeightScale::kMeanMagnitude,
                                        BiasCorrection::kNone};
  switch (ranges) {
    case QuantizerRanges::kMeanMagnitude:
      return mean_magnitude;
    case QuantizerRanges::kMinMax:
      return Registry<PtqMethod>::get("minmax");
    case QuantizerRanges::kLeastError:
      return Registry<PtqMethod>::get("mse");
  }
  throw std::logic_error("ranges");
}

// What quantizers have no form of.
void require_trainable(const std::map<std::string, QuantSpec>& specs) {
  for (const auto& [site, spec] : specs) {
    const bool has_zero_points = spec.scheme == Scheme::kAffine && !spec.is_float();
    if (spec.group.value_or(0) || has_zero_points)
      throw Error("site '", site,
                  "': groups and zero points of weights are not trained; leave them out of the "
                  "plan");
    if (std::ranges::find(spec.channel_bits, 1) != spec.channel_bits.end())
      throw Error("site '", site, "': single channels of 1 bit are not trained; give them 2");
  }
}

}  // namespace

TrainingNetwork::TrainingNetwork(const Model& source, const Dataset& data,
                                 const TrainingNetworkOptions& options, const Run& run)
    : options_(options) {
  Dequantized parts = start_of(source, options.quantize);
  if (parts.quantization() != Quantization::kFloat)
    throw Error(
        "the model is partly quantized; give --requantize to train from its dequantized "
        "values");
  require_finite_weights(parts.model.graph);
  const bool trains_network = Registry<QuantizerKind>::get(options.quantizer).recipe.trains_network;
  if (options.per_tensor && options.rescales_depthwise && !trains_network) {
    Graph& graph = parts.model.graph;
    const auto some = evenly_spread(all_samples(data), options.calibration_samples);
    const size_t layers =
        rescale_depthwise(graph, clip_maxima(graph, data, some, options.quantize.skip_broken, run));
    if (layers) run.info(text("rescaled the filters of ", layers, " depthwise layers"));
  }
  const auto& profile = Registry<Profile>::get(options.quantize.target);
  placement_ = settled_placement(parts, profile, options.quantize, specs_);
  folded_ = parts.model;
  if (options.per_tensor)
    for (const Site& site : placement_.sites)
      if (site.kind == SiteKind::kWeight) specs_.at(site.name).per_channel = false;
  require_trainable(specs_);
  present_ = specs_;
  float_graph_ = folded_.graph;
  if (!options.folds_batch_norm && !options.quantize.requantize) {
    Graph kept = prepare_keeping_batch_norm(source).graph;
    separate_skips(kept, separated_skips(folded_.graph));
    keeps_batch_norm_ = folds_to(kept, folded_.graph);
    if (keeps_batch_norm_) float_graph_ = std::move(kept);
  }
  const auto norms = following_batch_norms(float_graph_);
  make_gammas_positive(float_graph_, norms);
  for (const auto& [weight, norm] : norms)
    if (norm.has_own_constants) positive_gammas_.push_back(norm.gamma);
  start_quantizers(data, run);
}

Graph TrainingNetwork::graph_now() const { return network_ ? network_->graph() : float_graph_; }

QuantizerRanges TrainingNetwork::first_ranges() const {
  const TrainingRecipe& recipe = Registry<QuantizerKind>::get(options_.quantizer).recipe;
  const bool is_narrow = options_.quantize.weights <= 4;
  return options_.start.value_or(is_narrow ? recipe.narrow_ranges.value_or(recipe.ranges)
                                           : recipe.ranges);
}

QuantizerStart TrainingNetwork::weight_start(const QuantParams& grid, const Tensor& weight,
                                             const std::string& site) const {
  const WeightScale scale = range_method(first_ranges()).weights_below;
  return {.params = fitted(grid, weight, {.at_8_bits = scale, .below = scale}, site),
          .clips_gradient = options_.clips_gradient,
          .trains_elements = options_.trains_elements};
}

std::vector<RoundedBias> TrainingNetwork::rounded_biases() const {
  if (!Registry<Profile>::get(options_.quantize.target).has_integer_bias) return {};
  std::set<std::string> biased;  // weights, in the file
  for (const Site& site : placement_.sites)
    if (site.kind == SiteKind::kBias)
      biased.insert(folded_.graph.nodes[static_cast<size_t>(site.node)].inputs[1]);
  const auto norms = following_batch_norms(float_graph_);
  std::vector<RoundedBias> result;
  for (const Node& node : float_graph_.nodes) {
    if (!is_weighted(node) || !biased.contains(node.input(1))) continue;
    RoundedBias bias{node.input(2), node.inputs[1], node.inputs[0]};
    if (const auto norm = norms.find(bias.weight); norm != norms.end()) bias.norm = norm->second;
    if (bias.norm || !bias.bias.empty()) result.push_back(bias);
  }
  return result;
}

// First ranges and codes, of the folded network with the weights as they are.
QuantizedSites TrainingNetwork::calibrated_sites(const Dataset& data, const Run& run) const {
  const PtqMethod& method = range_method(first_ranges());
  const auto& profile = Registry<Profile>::get(options_.quantize.target);
  Dequantized parts;
  parts.model = network_ ? folded_now() : folded_;
  const Graph& graph = parts.model.graph;
  const std::shared_ptr<const Dataset> all(std::shared_ptr<void>(), &data);
  const Subset some(all, evenly_spread(all_samples(data), options_.calibration_samples));
  const LoadOptions how{.batch = batch_size_for(graph),
                        .skip_broken = options_.quantize.skip_broken};
  const Calibration calibration =
      calibrate(Network(graph), placement_, method.observer, some, how, run);
  return first_sites(parts, placement_, calibration, present_, profile, method,
                     options_.quantize.full_range, run.threads);
}

SiteQuantizers TrainingNetwork::made_quantizers(const QuantizedSites& sites) {
  const auto& kind = Registry<QuantizerKind>::get(options_.quantizer);
  const Graph graph = graph_now();
  const auto limits = upper_limits(placement_);
  SiteQuantizers quantizers;
  for (const Site& site : placement_.sites) {
    if (site.kind == SiteKind::kWeight) {
      const Tensor& weight = graph.initializers.at(site.name);
      quantizers.weights[site.name] = kind.weight(
          weight_start(sites.weights.at(site.name).params, weight, site.name), to_torch(weight));
    } else if (site.kind == SiteKind::kActivation) {
      quantizers.owners[site.name] = site.shares_with;
      if (quantizers.activations.contains(site.shares_with)) continue;
      QuantizerStart start{.params = sites.activations.at(site.shares_with),
                           .counts_batch = options_.counts_batch,
                           .is_symmetric = options_.is_symmetric};
      if (const auto limit = limits.find(site.shares_with); limit != limits.end())
        start.upper_limit = limit->second;
      quantizers.activations[site.shares_with] = kind.activation(start);
      starts_[site.shares_with] = start;
    }
  }
  quantizers.biases = rounded_biases();
  quantizers.bias_factors = bias_factors();
  return quantizers;
}

// Ones, for the biases of all layers whose weights are trained by factors.
TensorMap TrainingNetwork::bias_factors() const {
  TensorMap factors;
  if (!options_.trains_elements) return factors;
  for (const Node& node : float_graph_.nodes)
    if (const Tensor* bias = is_weighted(node) ? float_graph_.constant(node.input(2)) : nullptr)
      factors[node.input(2)] = at::ones_like(to_torch(*bias));
  return factors;
}

void TrainingNetwork::start_quantizers(const Dataset& data, const Run& run) {
  SiteQuantizers quantizers = made_quantizers(calibrated_sites(data, run));
  if (network_)
    network_->quantizers() = std::move(quantizers);
  else
    network_ = std::make_unique<TrainedNetwork>(float_graph_, std::move(quantizers));
}

void TrainingNetwork::lower_bits(int bits, const Dataset& data, const Run& run) {
  present_ = specs_;
  for (auto& [site, spec] : present_)
    if (!spec.is_float()) {
      spec.bits = std::max(spec.bits, bits);
      for (int& channel : spec.channel_bits) channel = std::max(channel, bits);
    }
  start_quantizers(data, run);
}

bool TrainingNetwork::has_site(const std::string& site) const {
  const SiteQuantizers& all = network_->quantizers();
  return all.weights.contains(site) || all.activations.contains(site);
}

int TrainingNetwork::bits_of(const std::string& site) const {
  const SiteQuantizers& all = network_->quantizers();
  const auto weight = all.weights.find(site);
  return weight != all.weights.end() ? weight->second->params().bits
                                     : all.activations.at(site)->params().bits;
}

namespace {

// The same range in other steps; a zero point stays where it was calibrated, in proportion.
QuantizerStart with_bits(const QuantizerStart& calibrated, const QuantParams& present, int bits,
                         const Profile& profile) {
  QuantizerStart start = calibrated;
  QuantParams& p = start.params;
  const CodeRange before = present.range, first = p.range;
  p.bits = bits;
  p.range = activation_codes(profile, bits);
  const auto steps = [](CodeRange range) { return static_cast<double>(range.levels() - 1); };
  p.scales = {
      static_cast<float>(static_cast<double>(present.scales[0]) * steps(before) / steps(p.range))};
  const double place = (p.zero_points[0] - first.qmin) / steps(first);
  p.zero_points = {p.range.qmin + static_cast<int32_t>(std::nearbyint(place * steps(p.range)))};
  return start;
}

}  // namespace

std::vector<at::Tensor> TrainingNetwork::set_bits(const std::string& site, int bits) {
  const auto& profile = Registry<Profile>::get(options_.quantize.target);
  const auto& kind = Registry<QuantizerKind>::get(options_.quantizer);
  if (!kind.recipe.has_uniform_grid)
    throw UsageError("--quantizer ", kind.name, " keeps its bits while it trains; use lsq");
  SiteQuantizers& all = network_->quantizers();
  const auto weight = all.weights.find(site);
  Quantizer& quantizer = weight != all.weights.end() ? *weight->second : *all.activations.at(site);
  if (weight != all.weights.end()) {
    QuantParams grid = quantizer.params();
    grid.bits = bits;
    grid.range = weight_codes(profile, bits, options_.quantize.full_range);
    grid.channels = {};
    const Tensor values = from_torch(network_->network().parameters().at(site).detach());
    quantizer.restart(weight_start(grid, values, site));
  } else {
    quantizer.restart(with_bits(starts_.at(site), quantizer.params(), bits, profile));
  }
  std::vector<at::Tensor> anew;
  for (const auto& [name, tensor] : quantizer.state()) anew.push_back(tensor);
  return anew;
}

Model TrainingNetwork::folded_now() const {
  Model model = folded_;
  model.graph = graph_now();
  return keeps_batch_norm_ ? folded(std::move(model)) : model;
}

TrainingNetwork::Trained TrainingNetwork::trained() const {
  const Graph graph = graph_now();
  const auto norms = following_batch_norms(graph);
  Trained result;
  result.model = folded_now();
  for (const Site& site : placement_.sites) {
    if (site.kind == SiteKind::kActivation)
      if (const auto found = network_->quantizers().activations.find(site.shares_with);
          found != network_->quantizers().activations.end())
        result.sites.activations[site.name] = found->second->params();
    if (site.kind != SiteKind::kWeight) continue;
    const at::Tensor& weight = network_->network().parameters().at(site.name);
    QuantTensor codes = network_->quantizers().weights.at(site.name)->freeze(weight);
    if (const auto norm = norms.find(site.name); keeps_batch_norm_ && norm != norms.end())
      codes = multiplied(std::move(codes), folding_factors(graph, norm->second), site.axis);
    result.sites.weights.emplace(site.name, std::move(codes));
  }
  for (const Site& site : placement_.sites) {
    if (site.kind != SiteKind::kWeight) continue;
    const Node& node = result.model.graph.nodes[static_cast<size_t>(site.node)];
    const Tensor* bias = result.model.graph.constant(node.input(2));
    const auto input = result.sites.activations.find(node.inputs[0]);
    if (bias && input != result.sites.activations.end())
      fit(result.sites.weights.at(site.name), *bias, input->second,
          products_of(result.model.graph.initializers.at(site.name), site.axis));
  }
  return result;
}

Model TrainingNetwork::exported(const Trained& trained) const {
  const auto& profile = Registry<Profile>::get(options_.quantize.target);
  return write_qdq(trained.model, placement_, trained.sites, profile,
                   {.float_weights = options_.quantize.float_weights});
}

}  // namespace halftone
