#include "halftone/ptq/quantize.h"

#include <algorithm>
#include <utility>

#include "halftone/data/accuracy.h"
#include "halftone/data/evaluate.h"
#include "halftone/export/compact.h"
#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"
#include "halftone/export/qdq.h"
#include "halftone/export/weight_only.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/nn/network.h"
#include "halftone/ptq/analytic_bias_correction.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/compare.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/precondition.h"
#include "halftone/ptq/site_bits.h"
#include "halftone/ptq/site_params.h"

namespace halftone {
namespace {

constexpr size_t kComparedSamples = 128;
constexpr size_t kSamplesForLayers = 32;
constexpr size_t kExplainedSamples = 32;
constexpr size_t kCorrectionSamples = 64;

// In another order: the first `count` are spread evenly over all.
std::vector<size_t> spread_out(const std::vector<size_t>& positions, size_t count) {
  std::vector<size_t> result;
  const size_t stride = std::max<size_t>(1, positions.size() / count);
  for (size_t first = 0; first < stride; ++first)
    for (size_t i = first; i < positions.size(); i += stride) result.push_back(positions[i]);
  return result;
}

// The float network, and what the model has of quantization that is to stay.
Dequantized start_of(const Model& source, const QuantizeOptions& options) {
  const Model model = prepare(source);
  if (options.requantize) return dequantize(float_model(model));
  Dequantized parts = dequantize(model);
  if (parts.quantization() == Quantization::kFully)
    throw Error("the model is quantized already; give --requantize to start from its dequantized values, or --keep-quantization "
                "to write the same numbers for another target");
  return parts;
}

// Adds what encodings tell. Tensors that the model never had are an error; those that folding took away are a warning.
void add_encodings(const Encodings& encodings, const Model& source, const Run& run, Dequantized& parts) {
  std::set<std::string> known, present;
  auto collect = [](const Graph& graph, std::set<std::string>& names) {
    for (const Value& input : graph.inputs) names.insert(input.name);
    for (const auto& [name, tensor] : graph.initializers) names.insert(name);
    for (const Node& node : graph.nodes) names.insert(node.outputs.begin(), node.outputs.end());
  };
  collect(source.graph, known);
  collect(parts.model.graph, present);
  size_t gone = 0;
  for (const auto& [name, encoding] : encodings) {
    if (!known.contains(name)) throw Error("the encodings name '", name, "', which is no tensor of the model");
    if (!present.contains(name)) ++gone;
    if (encoding.is_float) parts.kept.insert(name);
  }
  if (gone) run.warning(text(gone, " encodings are of tensors that folding took away, and are not used"));
  QuantizedSites fixed = fixed_sites(encodings, parts.model.graph);
  parts.sites.activations.merge(fixed.activations);
  parts.sites.weights.merge(fixed.weights);
}

// The placement under the plan: sites kept in float take their operators with them, until nothing changes. Sites that the model
// has quantized already have the bits that they have.
Placement settled_placement(const Dequantized& parts, const Profile& profile, const QuantizeOptions& options,
                            std::map<std::string, QuantSpec>& specs) {
  const Graph& graph = parts.model.graph;
  std::set<std::string> floats;  // by their spec
  auto placed = [&] {
    std::set<std::string> keep_float = parts.float_sites();
    keep_float.insert(floats.begin(), floats.end());
    Placement placement = place(graph, profile, keep_float);
    if (options.activations == 32) place_float_weights(graph, profile, floats, placement);
    return placement;
  };
  Placement placement = placed();
  specs = site_specs(graph, placement, profile, options);
  auto settle = [&](const std::string& site, int bits) {
    if (const auto found = specs.find(site); found != specs.end()) (found->second = {}).bits = bits;
  };
  for (const auto& [name, params] : parts.sites.activations) settle(name, params.bits);
  for (const auto& [name, weight] : parts.sites.weights) settle(name, weight.params.bits);
  for (const auto& [site, spec] : specs)
    if (spec.is_float()) floats.insert(site);
  if (!floats.empty()) placement = placed();
  require_float_readers(graph, placement, specs);
  return placement;
}

// What a result depends on, for the checkpoint.
std::map<std::string, std::string> facts_of(const Model& model, const Dataset& data, const QuantizeOptions& options,
                                            const Run& run) {
  std::string content;
  for (const auto& [name, tensor] : model.graph.initializers) {
    const auto bytes = tensor.bytes();
    content += name + fingerprint({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  std::string names;
  for (size_t i = 0; i < data.size(); ++i) names += data.name(i) + "\n";
  std::string fixes;
  for (const std::string& fix : options.fixes) fixes += fix + " ";
  const ReconstructionOptions& learned = options.reconstruction;
  return {{"model", fingerprint(content)},
          {"data", text(data.size(), " samples, ", fingerprint(names))},
          {"method", options.method},
          {"target", options.target},
          {"encodings", std::to_string(options.encodings.size())},
          {"requantize", options.requantize ? "yes" : "no"},
          {"observer", options.observer},
          {"repairs", text(options.equalize ? "equalized " : "", options.absorb_bias ? "absorbed " : "", "bias correction ",
                           options.bias_correction ? std::to_string(static_cast<int>(*options.bias_correction)) : "of the method")},
          {"bits", text("weights ", options.weights, ", activations ", options.activations, options.full_range ? ", full range" : "",
                        options.group ? text(", groups of ", options.group) : "",
                        options.weight_scheme == Scheme::kAffine ? ", affine weights" : "")},
          {"plan", options.plan ? fingerprint(options.plan_text) : "none"},
          {"fixes", fixes},
          {"seed", std::to_string(run.seed)},
          {"learning", text("iterations ", learned.iterations, ", batch ", learned.batch, ", lambda ", learned.rounding_weight,
                            ", rate ", learned.rounding_learning_rate, learned.uses_fisher ? ", Fisher" : "")}};
}

// Parameters that the model has go before those found; what shares with an activation that has them takes them too.
void keep_activations(const QuantizedSites& present, const Placement& placement, const Profile& profile,
                      std::map<std::string, QuantParams>& activations) {
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation && present.activations.contains(site.shares_with))
      activations[site.name] = stored_in(profile, present.activations.at(site.shares_with), site.name);
  for (const auto& [name, params] : present.activations) activations[name] = stored_in(profile, params, name);
}

// Float outputs tell preprocessing and the samples' content, which facts_of() cannot.
void require_same_outputs(const Checkpoint& checkpoint, const Calibration& calibration) {
  std::string content;
  for (const auto& row : calibration.outputs)
    content.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float));
  const std::string now = fingerprint(content);
  const auto before = checkpoint.read("outputs");
  if (before && *before != now)
    throw Error("the checkpoint in '", checkpoint.folder().string(),
                "' is of another run: the float network gives other outputs; was it run with other preprocessing or other images?");
  checkpoint.write("outputs", now);
}

// The name under which the quantized network holds a site's value: what its DequantizeLinear gives.
std::map<std::string, std::string> dequantized_names(const Placement& placement, const Graph& quantized) {
  std::map<std::string, std::string> codes_of, result;
  std::map<std::string, std::string> moved;  // codes -> codes behind a Clip
  for (const Node& node : quantized.nodes) {
    if (node.op_type == "QuantizeLinear") codes_of[node.inputs[0]] = node.outputs[0];
    if (node.op_type == "Clip") moved[node.inputs[0]] = node.outputs[0];
  }
  for (const Node& node : quantized.nodes) {
    if (node.op_type != "DequantizeLinear") continue;
    for (const Site& site : placement.sites) {
      if (site.kind != SiteKind::kActivation || !codes_of.contains(site.name)) continue;
      const std::string& codes = codes_of.at(site.name);
      if (node.inputs[0] == codes || (moved.contains(codes) && node.inputs[0] == moved.at(codes)))
        result.emplace(site.name, node.outputs[0]);
    }
  }
  return result;
}

double weight_sqnr(const Tensor& original, const QuantTensor& quantized) {
  const Tensor back = dequantize_tensor(quantized);
  Energies energies;
  energies.add(original.to_vector<float>(), back.to_vector<float>());
  return energies.sqnr_db();
}

void report_outputs(const std::vector<std::vector<float>>& before, const std::vector<std::vector<float>>& after,
                    const std::vector<size_t>& samples, const Dataset& data, QuantizeReport& report) {
  Accuracy accuracy_before, accuracy_after;
  Energies energies;
  for (size_t i = 0; i < before.size(); ++i) {
    energies.add(before[i], after[i]);
    const int64_t label = data.labels()[samples[i]];
    accuracy_before.add(before[i], label);
    accuracy_after.add(after[i], label);
  }
  report.compared_samples = before.size();
  report.sqnr_db = energies.sqnr_db();
  if (accuracy_before.samples() == 0) return;
  report.top1_before = accuracy_before.top1_percent();
  report.top1_after = accuracy_after.top1_percent();
}

}  // namespace

QuantizeResult quantize(const Model& source, const Dataset& data, const QuantizeOptions& options, const Run& run) {
  const auto& method = Registry<PtqMethod>::get(options.method);
  const auto& profile = Registry<Profile>::get(options.target);
  const std::string& observer = options.observer.empty() ? method.observer : options.observer;
  Dequantized parts = start_of(source, options);
  Model& model = parts.model;
  add_encodings(options.encodings, source, run, parts);
  // Repairs change weights and biases, which must not be numbers that the model has already.
  const bool is_float = parts.quantization() == Quantization::kFloat;
  const BiasCorrection correction = is_float ? options.bias_correction.value_or(method.bias_correction) : BiasCorrection::kNone;
  if (options.activations == 32 && is_float && profile.has_narrow_products) untranspose_gemms(model.graph);
  const Graph given = model.graph;
  if (!is_float && (options.equalize || options.absorb_bias || options.bias_correction.value_or(BiasCorrection::kNone) != BiasCorrection::kNone))
    run.warning("the model has quantized parts, which must stay: --equalize, --absorb-bias and --bias-correction do nothing");
  if (is_float) precondition(model.graph, data, options, run);
  if (correction != BiasCorrection::kNone) give_biases(model.graph);
  std::map<std::string, QuantSpec> specs;
  const Placement placement = settled_placement(parts, profile, options, specs);
  if (options.full_range && profile.eight_bit_weights.qmax < 127)
    run.warning("--full-range: on CPUs without VNNI onnxruntime's default kernels saturate and lose accuracy");

  // Rejects bad weights before minutes of calibration.
  for (const auto& [name, tensor] : model.graph.initializers)
    if (tensor.dtype() == DType::kFloat) require_finite(tensor.to_vector<float>(), name);

  Run kept = run;  // methods that learn nothing keep nothing
  if (method.walks.empty()) kept.checkpoint.clear();
  const bool is_kept = !kept.checkpoint.empty();
  const Checkpoint checkpoint(kept, is_kept ? facts_of(model, data, options, run) : std::map<std::string, std::string>());

  const Network network(model.graph);
  const LoadOptions how{.batch = batch_size_for(model.graph), .skip_broken = options.skip_broken};
  const Calibration calibration = calibrate(network, placement, observer, data, how, run);

  QuantizedSites sites;
  sites.activations = activation_params(placement, calibration, specs, profile, run.threads);
  keep_activations(parts.sites, placement, profile, sites.activations);
  sites.weights = quantize_weights(model.graph, placement, sites.activations, specs, profile, method, options.full_range);
  for (const auto& [name, weight] : parts.sites.weights) sites.weights.insert_or_assign(name, weight);
  sites.biases = parts.sites.biases;
  if (is_kept) require_same_outputs(checkpoint, calibration);
  ReconstructionOptions learning = options.reconstruction;
  for (const auto& [name, params] : parts.sites.activations) learning.frozen.insert(name);
  for (const auto& [name, weight] : parts.sites.weights) learning.frozen.insert(name);
  std::vector<UnitReport> units;
  for (size_t i = 0; i < method.walks.size(); ++i) {
    const auto found = reconstruct(model.graph, placement, sites, method.walks[i], learning, data, calibration.samples,
                                   how, checkpoint, text("walk-", i, "-unit"), run);
    units.insert(units.end(), found.begin(), found.end());
  }
  if (correction == BiasCorrection::kAnalytic && correct_biases_analytically(model.graph, sites.weights) == 0)
    run.warning("--bias-correction analytic: the model has no BatchNormalization that tells distributions; biases stay as they were");
  const QdqOptions form{.float_weights = options.float_weights};
  QuantizeResult result{write_qdq(model, placement, sites, profile, form), sites, {}};
  if (correction == BiasCorrection::kEmpirical) {
    // Weights keep their codes; the file is written again with the corrected biases.
    correct_biases(model.graph, network, Network(result.model.graph), placement, data,
                   evenly_spread(calibration.samples, kCorrectionSamples), options.skip_broken, run);
    result.model = write_qdq(model, placement, sites, profile, form);
  }
  result.model.set_metadata("halftone.method", options.method);
  result.model.set_metadata("halftone.seed", std::to_string(run.seed));

  QuantizeReport& report = result.report;
  report.units = std::move(units);
  report.float_operators = float_operators_with_weights(model.graph, placement, sites);
  report.calibration_samples = calibration.samples.size();
  Graph simulated = result.model.graph;
  dequantize_constants(simulated);
  const Network quantized(simulated);
  const auto rows = spread_out(evenly_spread(numbers_below(calibration.samples.size()), kComparedSamples), kSamplesForLayers);
  std::vector<std::vector<float>> before;
  std::vector<size_t> compared;
  for (size_t row : rows) {
    before.push_back(calibration.outputs[row]);
    compared.push_back(calibration.samples[row]);
  }
  if (options.equalize || options.absorb_bias) {
    // Absorption and clips may have changed the function: what is reported is against the network as it was given.
    const Network original(given);
    before = compare_networks(original, original, {}, data, compared, 0, how, run).outputs;
  }
  const Comparison comparison = compare_networks(network, quantized, dequantized_names(placement, result.model.graph),
                                                 data, compared, kSamplesForLayers, how, run);
  report_outputs(before, comparison.outputs, compared, data, report);
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kWeight) {
      const QuantTensor& weight = sites.weights.at(site.name);
      report.sites.push_back({site.name, site.kind, weight.params.bits,
                              weight_sqnr(model.graph.initializers.at(site.name), weight)});
      for (const Width& width : weight.params.channels) report.sites.back().channel_bits.push_back(width.bits);
    } else if (site.kind == SiteKind::kActivation && comparison.sites.contains(site.name)) {
      const Energies& energies = comparison.sites.at(site.name);
      report.sites.push_back({site.name, site.kind, sites.activations.at(site.name).bits, energies.sqnr_db()});
    }
  }
  if (options.explains)
    report.culprits = explain({network.graph(), placement, sites, model.graph}, data, evenly_spread(compared, kExplainedSamples), how, run);
  if (profile.is_packed) result.model = pack(result.model);
  return result;
}

}  // namespace halftone
