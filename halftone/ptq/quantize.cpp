#include "halftone/ptq/quantize.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "halftone/base/units.h"
#include "halftone/data/evaluate.h"
#include "halftone/export/compact.h"
#include "halftone/export/qdq.h"
#include "halftone/export/weight_only.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/nn/network.h"
#include "halftone/ptq/analytic_bias_correction.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/checkpoint_facts.h"
#include "halftone/ptq/compare.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/origin.h"
#include "halftone/ptq/precondition.h"
#include "halftone/ptq/start.h"

namespace halftone {
namespace {

constexpr size_t kMostCompared = 128;
constexpr size_t kMostToChoose = 256;  // between methods, by labels
constexpr size_t kFewSamples = 256;
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

// So many that a large network is compared as quickly as a small one.
size_t samples_to_compare(const Graph& graph, size_t most) {
  constexpr uint64_t kMultiplications = 25'000'000'000;
  const uint64_t fitting = kMultiplications / std::max<uint64_t>(1, cost_of(graph).macs);
  return static_cast<size_t>(std::clamp<uint64_t>(fitting * most / kMostCompared, most / 4, most));
}

// Adds what encodings tell. Tensors that the model never had are an error; those that folding took
// away are a warning.
void add_encodings(const Encodings& encodings, const Model& source, const Run& run,
                   Dequantized& parts) {
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
    if (!known.contains(name))
      throw Error("the encodings name '", name, "', which is no tensor of the model");
    if (!present.contains(name)) ++gone;
    if (encoding.is_float) parts.kept.insert(name);
  }
  if (gone)
    run.warning(text(gone, " encodings are of tensors that folding took away, and are not used"));
  QuantizedSites fixed = fixed_sites(encodings, parts.model.graph);
  parts.sites.activations.merge(fixed.activations);
  parts.sites.weights.merge(fixed.weights);
}

// What was found, and what explaining it takes.
struct Attempt {
  QuantizeResult result;
  Graph original;   // float, as it was quantized
  Graph corrected;  // the same with the biases that were written
  Placement placement;
  std::vector<size_t> samples;  // of the calibration data, to explain on
};

// Calibration samples, by `rows` of the calibration, that the closing figures are of.
Reference calibration_reference(const Graph& given, const Calibration& calibration,
                                const std::vector<size_t>& rows, const Dataset& data,
                                const QuantizeOptions& options, const LoadOptions& how,
                                const Run& run) {
  Reference reference{data, {}, {}};
  for (size_t row : rows) {
    reference.samples.push_back(calibration.samples[row]);
    reference.outputs.push_back(calibration.outputs[row]);
  }
  // Absorption and clips may have changed the function: what is reported is against the network as
  // it was given.
  if (options.equalize || options.absorb_bias)
    return outputs_of(Network(given), data, reference.samples, how, run);
  return reference;
}

// What the model as it was given makes of the validation data; nullopt where there are none.
std::optional<Reference> validation_reference(const Model& source, const QuantizeOptions& options,
                                              const Run& run) {
  if (!options.validation) return std::nullopt;
  const Graph given = start_of(source, options).model.graph;
  const LoadOptions how{.batch = batch_size_for(given), .skip_broken = options.skip_broken};
  const auto samples = spread_out(all_samples(*options.validation), kSamplesForLayers);
  Reference reference = outputs_of(Network(given), *options.validation, samples, how, run);
  if (reference.samples.empty()) throw Error("no validation sample could be read");
  return reference;
}

BiasCorrection correction_of(const PtqMethod& method, const QuantizeOptions& options, bool is_float,
                             const Run& run) {
  const BiasCorrection correction = options.bias_correction.value_or(method.bias_correction);
  const bool is_asked = options.bias_correction && correction != BiasCorrection::kNone;
  if (!is_float) {
    if (options.equalize || options.absorb_bias || is_asked)
      run.warning(
          "the model has quantized parts, which must stay: --equalize, --absorb-bias and "
          "--bias-correction do nothing");
    return BiasCorrection::kNone;
  }
  if (is_asked && !method.walks.empty())
    run.warning(text("--bias-correction with ", method.name,
                     ": learning has taken the shift back already; now it is taken twice"));
  return correction;
}

std::vector<UnitReport> learn(const Dequantized& parts, const Placement& placement,
                              QuantizedSites& sites, const PtqMethod& method,
                              ReconstructionOptions options, const Dataset& data,
                              const std::vector<size_t>& samples, const LoadOptions& how,
                              const Checkpoint& checkpoint, const Run& run) {
  for (const auto& [name, params] : parts.sites.activations) options.frozen.insert(name);
  for (const auto& [name, weight] : parts.sites.weights) options.frozen.insert(name);
  if (!method.walks.empty() && samples.size() < kFewSamples)
    run.warning(text(method.name, " learns from ", samples.size(), " samples; with less than ",
                     kFewSamples, " it fits these samples more than the task"));
  std::vector<UnitReport> units;
  for (size_t i = 0; i < method.walks.size(); ++i) {
    Reconstruction walk = method.walks[i];
    if (walk.unit == Reconstruction::Unit::kNetwork && !options.tunes_network) continue;
    walk.learns_biases = walk.learns_biases && options.learns_biases;
    const auto found = reconstruct(parts.model.graph, placement, sites, walk, options, data,
                                   samples, how, checkpoint, text("walk-", i, "-unit"), run);
    units.insert(units.end(), found.begin(), found.end());
  }
  return units;
}

void correct(Graph& graph, BiasCorrection correction, const Network& network,
             const QuantizedSites& sites, const Dataset& data, const std::vector<size_t>& samples,
             const LoadOptions& how, const Run& run) {
  if (correction == BiasCorrection::kEmpirical)
    correct_biases(graph, network, sites.weights, data, evenly_spread(samples, kCorrectionSamples),
                   how, run);
  if (correction == BiasCorrection::kAnalytic &&
      correct_biases_analytically(graph, sites.weights) == 0)
    run.warning(
        "--bias-correction analytic: the model has no BatchNormalization that tells distributions; "
        "biases stay as they were");
}

// One method, from model to model. most_compared: calibration samples for the report's figures.
// validation: what the figures are of instead; may be nullptr.
Attempt attempt(const Model& source, const Dataset& data, const QuantizeOptions& options,
                size_t most_compared, const Reference* validation, const Run& run) {
  const auto& method = Registry<PtqMethod>::get(options.method);
  const auto& profile = Registry<Profile>::get(options.target);
  Dequantized parts = start_of(source, options);
  Model& model = parts.model;
  add_encodings(options.encodings, source, run, parts);
  // Repairs change weights and biases, which must not be numbers that the model has already.
  const bool is_float = parts.quantization() == Quantization::kFloat;
  const BiasCorrection correction = correction_of(method, options, is_float, run);
  if (options.activations == 32 && is_float && profile.has_narrow_products)
    untranspose_gemms(model.graph);
  const Graph given = model.graph;
  if (is_float) precondition(model.graph, data, options, run);
  if (correction != BiasCorrection::kNone) give_biases(model.graph);
  std::map<std::string, QuantSpec> specs;
  const Placement placement = settled_placement(parts, profile, options, specs);
  if (options.full_range && profile.eight_bit_weights.qmax < 127)
    run.warning(
        "--full-range: on CPUs without VNNI onnxruntime's default kernels saturate and lose "
        "accuracy");
  require_finite_weights(model.graph);  // before minutes of calibration

  Run kept = run;  // methods that learn nothing keep nothing
  if (method.walks.empty()) kept.checkpoint.clear();
  const bool is_kept = !kept.checkpoint.empty();
  const Checkpoint checkpoint(kept, is_kept ? checkpoint_facts(parts, data, options, run)
                                            : std::map<std::string, std::string>());

  const Network network(model.graph);
  const LoadOptions how{.batch = batch_size_for(model.graph), .skip_broken = options.skip_broken};
  const std::string& observer = options.observer.empty() ? method.observer : options.observer;
  const Calibration calibration = calibrate(network, placement, observer, data, how, run);
  if (is_kept) require_same_outputs(checkpoint, calibration);

  QuantizedSites sites = first_sites(parts, placement, calibration, specs, profile, method,
                                     options.full_range, run.threads);
  auto units = learn(parts, placement, sites, method, options.reconstruction, data,
                     calibration.samples, how, checkpoint, run);
  for (const auto& [name, values] : std::exchange(sites.moved_biases, {}))
    model.graph.initializers.at(name) =
        Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  correct(model.graph, correction, network, sites, data, calibration.samples, how, run);
  QuantizeResult result{
      write_qdq(model, placement, sites, profile, {.float_weights = options.float_weights}),
      sites,
      {}};

  QuantizeReport& report = result.report;
  report.method = method.name;
  report.units = std::move(units);
  report.float_operators = float_operators_with_weights(model.graph, placement, sites);
  report.calibration_samples = calibration.samples.size();
  report.is_validated = validation != nullptr;
  const auto rows = spread_out(evenly_spread(numbers_below(calibration.samples.size()),
                                             samples_to_compare(given, most_compared)),
                               kSamplesForLayers);
  report_losses({network, placement, sites, result.model},
                validation
                    ? *validation
                    : calibration_reference(given, calibration, rows, data, options, how, run),
                how, run, report);
  std::vector<size_t> explained;
  for (size_t row : evenly_spread(rows, kExplainedSamples))
    explained.push_back(calibration.samples[row]);
  return {std::move(result), network.graph(), model.graph, placement, std::move(explained)};
}

std::string told(const RungReport& rung) {
  const std::string accuracy =
      rung.top1_after ? text("top-1 ", fixed(*rung.top1_after, 2), " %, ") : "";
  return text("auto: ", rung.method, " gives ", accuracy, "SQNR ", fixed(rung.sqnr_db, 1), " dB",
              rung.is_met ? "" : ", not enough");
}

// Methods from cheap to dear until one is good enough; the best of them.
Attempt climb(const std::vector<std::string>& rungs, const Model& source, const Dataset& data,
              const QuantizeOptions& options, const Reference* validation, const Run& run) {
  std::optional<Attempt> best;
  std::vector<RungReport> tried;
  for (const std::string& name : rungs) {
    if (best && run.is_time_up()) {
      run.warning(text("auto: the time is up before ", name, "; the result is ",
                       best->result.report.method, "'s"));
      break;
    }
    QuantizeOptions with = options;
    with.method = name;
    Run own = run;
    if (!run.checkpoint.empty()) own.checkpoint = run.checkpoint + "/" + name;
    std::optional<Attempt> found;
    try {
      found = attempt(source, data, with, kMostToChoose, validation, own);
    } catch (const std::exception& error) {
      run.check_cancelled();
      if (!best) throw;
      run.warning(text("auto: ", name, " failed: ", error.what(), "; the result is ",
                       best->result.report.method, "'s"));
      break;
    }
    const QuantizeReport& report = found->result.report;
    tried.push_back({name, report.top1_after, report.sqnr_db, options.quality.is_met(report)});
    run.info(told(tried.back()));
    if (!best && options.quality.has_points && !report.top1_after)
      run.warning(
          text("--max-drop in points needs labels, and there are none: the output's SQNR decides, "
               "at least ",
               options.quality.sqnr_db, " dB (give --max-drop 25dB, or labelled --validate)"));
    if (!best || options.quality.prefers(report, best->result.report)) best = std::move(*found);
    if (tried.back().is_met) break;
  }
  if (!tried.back().is_met)
    run.warning(text("auto: no method met --max-drop (",
                     options.quality.described(best->result.report),
                     "); the result is the best that was found"));
  best->result.report.rungs = std::move(tried);
  return std::move(*best);
}

}  // namespace

QuantizeResult quantize(const Model& source, const Dataset& data, const QuantizeOptions& options,
                        const Run& run) {
  const auto& method = Registry<PtqMethod>::get(options.method);
  // Read before hours of learning, and once for all methods of a ladder.
  const std::optional<Reference> validated = validation_reference(source, options, run);
  const Reference* validation = validated ? &*validated : nullptr;
  Attempt found = method.rungs.empty()
                      ? attempt(source, data, options, kMostCompared, validation, run)
                      : climb(method.rungs, source, data, options, validation, run);
  QuantizeResult& result = found.result;
  record_origin(result.model,
                {source, data, result.report.calibration_samples, result.report.method, run.seed});
  if (options.explains) {
    const LoadOptions how{.batch = batch_size_for(found.original),
                          .skip_broken = options.skip_broken};
    result.report.culprits =
        explain({found.original, found.placement, result.sites, found.corrected}, data,
                found.samples, how, run);
  }
  if (Registry<Profile>::get(options.target).is_packed) result.model = pack(result.model);
  return std::move(result);
}

}  // namespace halftone
