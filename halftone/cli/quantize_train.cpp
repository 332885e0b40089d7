#include <algorithm>
#include <iostream>

#include "halftone/base/units.h"
#include "halftone/cli/culprits_train.h"
#include "halftone/cli/float_operators.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/outputs.h"
#include "halftone/cli/results_train.h"
#include "halftone/cli/verb.h"
#include "halftone/export/prepare.h"
#include "halftone/export/reexport.h"
#include "halftone/onnx/reader.h"
#include "halftone/onnx/writer.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/quantize.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model, output, plan, bias_correction, max_drop, validation;
  QuantizeOptions quantize;
  bool keeps_quantization = false;
  std::string encodings, save_encodings, encodings_version = "1.0.0";
  std::string weight_scheme = "symmetric";
};

void run_reexport(const Options& options, Session& session) {
  session.begin(options.model, {.written = {options.output}});
  const auto& profile = Registry<Profile>::get(options.quantize.target);
  Model model = reexport(read_model(options.model), profile);
  model.set_metadata("halftone.version", HALFTONE_VERSION);
  const auto floats = float_operators_of(dequantize(prepare(model)), profile);
  const uint64_t before = file_bytes(options.model);
  const uint64_t after = write_model(model, options.output);
  session.facts()["bytes_before"] = before;
  session.facts()["bytes_after"] = after;
  std::cout << options.output << " (" << profile.name << ", the same numbers), "
            << format_bytes(before) << " -> " << format_bytes(after) << "\n";
  fill_float_operators(floats, session.facts());
  print_float_operators(floats, "stays in float");
  session.finish();
}

// Options that say how to do what the method does not do.
void check_method_options(const Options& options, const Run& run) {
  const auto& method = Registry<PtqMethod>::get(options.quantize.method);
  if (!options.max_drop.empty() && method.rungs.empty())
    throw UsageError("--max-drop is for --method auto, which tries methods until it is met; ",
                     method.name, " is one method");
  const ReconstructionOptions& learning = options.quantize.reconstruction;
  const bool is_given =
      learning.iterations || learning.batch || learning.rounding_weight > 0 || learning.uses_fisher;
  if (is_given && method.walks.empty() && method.rungs.empty())
    run.warning(
        text(method.name,
             " learns nothing: --iterations, --batch, --rounding-weight and --fisher do nothing"));
}

void run_quantize(Options options, const DataOptions& data_options, Session& session) {
  session.begin(options.model,
                {.read = data_options.files({options.plan, options.encodings, options.validation}),
                 .written = {options.output, options.save_encodings}});
  Registry<PtqMethod>::get(options.quantize.method);
  Registry<Profile>::get(options.quantize.target);
  if (!options.quantize.observer.empty()) Registry<ObserverKind>::get(options.quantize.observer);
  if (!options.bias_correction.empty())
    options.quantize.bias_correction = bias_correction_named(options.bias_correction);
  check_method_options(options, session.run());
  if (!options.max_drop.empty()) options.quantize.quality = parse_quality_target(options.max_drop);
  if (!options.save_encodings.empty() && options.quantize.group)
    throw UsageError(
        "--save-encodings: encodings of weights in groups are not written; leave --group or "
        "--save-encodings out");
  options.quantize.weight_scheme =
      options.weight_scheme == "affine" ? Scheme::kAffine : Scheme::kSymmetric;
  // Encodings are of the model's own tensors, one each.
  if (!options.save_encodings.empty()) options.quantize.shares_skips = true;
  const Model model = read_model(options.model);
  read_plan(options.plan, options.quantize);
  if (!options.encodings.empty())
    options.quantize.encodings = parse_encodings(read_text(options.encodings), options.encodings);
  const auto data = data_options.open(model, session.run());
  options.quantize.skip_broken = data_options.skips_broken();
  const auto validation = options.validation.empty()
                              ? nullptr
                              : data_options.open_all(options.validation, model, session.run());
  options.quantize.validation = validation.get();
  QuantizeResult result = quantize(model, *data, options.quantize, session.run());
  auto& facts = session.facts();
  const FileSizes sizes =
      write_result(result.model, options.quantize, data_options.preprocess(model), options.model,
                   options.output, facts);
  if (!options.save_encodings.empty()) {
    const DType type = Registry<Profile>::get(options.quantize.target).activation_type;
    const bool has_channel_bits = std::ranges::any_of(result.sites.weights, [](const auto& weight) {
      return !weight.second.params.channels.empty();
    });
    if (has_channel_bits && options.encodings_version == "1.0.0")
      session.run().warning(
          "encodings of version 1.0.0 tell one width a tensor, and some channels have bits of "
          "their "
          "own: --encodings-version 0.6.1 tells them");
    write_text(options.save_encodings, to_encodings(result.sites, type, options.encodings_version));
  }

  fill_facts(result.report, facts);
  std::cout << options.output << " (" << result.report.method << ", " << options.quantize.target
            << ", calibrated on " << result.report.calibration_samples << " samples)\n";
  print_report(result.report, Registry<Profile>::get(options.quantize.target), sizes,
               session.seconds());
  session.finish();
}

std::function<void()> quantize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  QuantizeOptions& q = options->quantize;
  add_model_option(app, options->model);
  app.add_option("-o,--output", options->output, "The quantized model")
      ->required()
      ->type_name("OUT");
  auto data = std::make_shared<DataOptions>(app, 1024);
  app.add_option("--weights", q.weights,
                 "Bits of weights, 1 to 8, or 32: computed in float (stored as "
                 "int8 unless --float-weights). Below 8 the first and the last layer keep 8; --fix "
                 "overrules")
      ->capture_default_str();
  app.add_option("--activations", q.activations,
                 "Bits of activations, 2 to 8, or 32 for float: weight-only. Below 8, what the "
                 "first and the "
                 "last layer read and what no layer multiplies keep 8")
      ->capture_default_str();
  app.add_option("--method", q.method, listed<PtqMethod>("How ranges and scales are chosen:"))
      ->capture_default_str();
  app.add_option("--max-drop", options->max_drop,
                 "What --method auto may lose: points of top-1 (1), or the least SQNR (20dB) where "
                 "there are no labels")
      ->type_name("POINTS|dB");
  app.add_option("--validate", options->validation,
                 "Labelled data for the figures and --max-drop, instead of calibration samples")
      ->type_name("PATH");
  add_site_options(app, q, options->plan);
  auto* requantize =
      app.add_flag("--requantize", q.requantize,
                   "Dequantize a model that is quantized already, then quantize it anew");
  app.add_flag("--keep-quantization", options->keeps_quantization,
               "Write a quantized model for --target without changing a number; needs no --data")
      ->excludes(requantize);
  app.add_option("--encodings", options->encodings,
                 "AIMET encodings beside the model: their ranges and bits are taken as they are")
      ->type_name("FILE");
  app.add_option("--save-encodings", options->save_encodings,
                 "Write AIMET encodings of the result; a tensor has one: --shared-skips")
      ->type_name("FILE");
  app.add_option("--encodings-version", options->encodings_version, "Of --save-encodings")
      ->check(CLI::IsMember({"0.6.1", "1.0.0"}))
      ->capture_default_str();
  app.add_flag(
      "--explain", q.explains,
      "Rank all sites by what each costs alone, with the reason and the option that mends it");
  const std::string repairs = "Repairs, each alone";
  app.add_flag("--equalize", q.equalize, "Give neighbouring layers' channels the same ranges")
      ->group(repairs);
  app.add_flag("--absorb-bias", q.absorb_bias,
               "Move high biases into the next layer where the output keeps 40 dB")
      ->group(repairs);
  app.add_option("--bias-correction", options->bias_correction,
                 "none, empirical (from samples) or analytic (from BatchNormalization), instead of "
                 "the method's")
      ->group(repairs)
      ->type_name("MODE");
  app.add_option(
         "--observer", q.observer,
         listed<ObserverKind>("How ranges of activations are found, instead of the method's way:"))
      ->group(repairs)
      ->type_name("NAME");
  const std::string weight_only = "Weight-only (--activations 32)";
  app.add_option("--group", q.group,
                 "Input channels of a Gemm or MatMul that share a scale: a power of two from 16 "
                 "on; default: all")
      ->check(CLI::NonNegativeNumber)
      ->group(weight_only);
  app.add_option("--weight-scheme", options->weight_scheme,
                 "symmetric, or affine: with zero points")
      ->check(CLI::IsMember({"symmetric", "affine"}))
      ->capture_default_str()
      ->group(weight_only);
  ReconstructionOptions& r = q.reconstruction;
  const std::string learned = "Methods that learn";
  app.add_option("--iterations", r.iterations,
                 "Steps a unit; default: 1000 to 5000 by the network's size")
      ->check(CLI::PositiveNumber)
      ->group(learned);
  app.add_option("--batch", r.batch,
                 "Samples a step, a multiple of 4; default 32, or 16 for large networks")
      ->check(CLI::PositiveNumber)
      ->group(learned);
  app.add_option("--rounding-weight", r.rounding_weight,
                 "Lambda, which drives rounding to 0 or 1; default 0.01, 0.1 with depthwise layers")
      ->group(learned);
  app.add_flag_callback(
         "--keep-biases", [&r] { r.learns_biases = false; }, "qdrop: learn no biases")
      ->group(learned);
  app.add_flag_callback(
         "--blocks-alone", [&r] { r.tunes_network = false; },
         "qdrop: leave out the last walk, which tunes scales and biases of the whole network "
         "by the float network's outputs")
      ->group(learned);
  app.add_flag("--fisher", r.uses_fisher, "Weight errors by the gradient of the network's output")
      ->group(learned);
  auto session = std::make_shared<Session>(app, LongJob{});
  set_example(app,
              "halftone quantize resnet20.onnx -o resnet20-w8a8.onnx --data cifar10/train "
              "--preprocess cifar10 --limit 512");
  return [=] {
    if (options->keeps_quantization)
      run_reexport(*options, *session);
    else
      run_quantize(*options, *data, *session);
  };
}

HALFTONE_REGISTER(Verb, "quantize",
                  "Quantizes a trained model with a few hundred images, no training", quantize);

}  // namespace
}  // namespace halftone::cli
