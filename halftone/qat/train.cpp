#include "halftone/qat/train.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "halftone/base/units.h"
#include "halftone/data/evaluate.h"
#include "halftone/export/compact.h"
#include "halftone/export/weight_only.h"
#include "halftone/onnx/writer.h"
#include "halftone/ptq/checkpoint_facts.h"
#include "halftone/ptq/compare.h"
#include "halftone/ptq/origin.h"
#include "halftone/qat/train_plan.h"
#include "halftone/qat/trainer.h"

namespace halftone {
namespace {

constexpr size_t kComparedSamples = 256;
constexpr size_t kMostHeldOut = 512;
constexpr size_t kFingerprintedSamples = 8;

// Intra-operator threads of LibTorch while training, put back afterwards.
class TorchThreads {
 public:
  explicit TorchThreads(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ~TorchThreads() { at::set_num_threads(before_); }

 private:
  int before_;
};

// Samples of which the last few are held out, spread over all.
struct Split {
  std::vector<size_t> learned, held_out;
};
Split split_of(const Dataset& data, bool holds_out) {
  const auto all = all_samples(data);
  if (!holds_out || all.size() < 20) return {all, {}};
  Split split;
  split.held_out = evenly_spread(all, std::min(kMostHeldOut, all.size() / 20));
  std::ranges::set_difference(all, split.held_out, std::back_inserter(split.learned));
  return split;
}

// Names and labels of the samples, and some of them as preprocessing leaves them.
std::string fact_of(const Dataset& data, bool skips_broken) {
  std::string labels;
  for (int64_t label : data.labels()) labels += text(label, " ");
  const auto some = evenly_spread(all_samples(data), kFingerprintedSamples);
  const Batch batch = load_batch(data, some, {.batch = some.size(), .skip_broken = skips_broken});
  std::string values;
  for (const Tensor& input : batch.inputs)
    values.append(reinterpret_cast<const char*>(input.bytes().data()), input.bytes().size());
  return text(fingerprint_of_names(data), ", labels ", fingerprint(labels), ", values ",
              fingerprint(values));
}

std::map<std::string, std::string> facts_of(const Model& model, const Dataset& data,
                                            const TrainPlan& plan, const Run& run) {
  const QuantizeOptions& quantize = plan.options.network.quantize;
  const Dataset* validation = plan.options.validation;
  return {{"form", "2"},
          {"model", fingerprint(serialize_model(model))},
          {"data", fact_of(data, quantize.skip_broken)},
          {"options", described(plan)},
          {"requantize", quantize.requantize ? "yes" : "no"},
          {"seed", std::to_string(run.seed)},
          {"threads", std::to_string(run.threads)},
          {"validation", validation ? fact_of(*validation, quantize.skip_broken) : "none"}};
}

// Labels that the network has no output for would fail in the middle of the loss.
void require_fitting_labels(const TrainingNetwork& training, const Dataset& data) {
  const Value& output = training.folded_graph().outputs.at(0);
  if (!output.type.shape || output.type.shape->size() != 2 || !output.type.shape->back().known())
    return;
  const int64_t classes = output.type.shape->back().value;
  const int64_t largest = std::ranges::max(data.labels());
  if (largest >= classes)
    throw Error("the data has a class of number ", largest, ", and the output '", output.name,
                "' of the model ends at ", classes - 1,
                "; give --classes with the numbers that the model was trained with");
}

size_t calibrated_samples(const TrainOptions& options, const Dataset& data) {
  return std::min(options.network.calibration_samples, data.size());
}

QuantizeReport report_of(const TrainingNetwork& training, const TrainResult& result,
                         const Dataset& data, const TrainOptions& options, const Run& run) {
  QuantizeReport report;
  report.method = result.quantizer;
  const Network original(training.folded_graph());
  const Dataset& compared = options.validation ? *options.validation : data;
  const LoadOptions how{.batch = batch_size_for(training.folded_graph()),
                        .skip_broken = options.network.quantize.skip_broken};
  const auto samples = options.validation ? all_samples(compared)
                                          : evenly_spread(all_samples(compared), kComparedSamples);
  report.is_validated = options.validation != nullptr;
  report.calibration_samples = calibrated_samples(options, data);
  report.float_operators =
      float_operators_with_weights(training.folded_graph(), training.placement(), result.sites);
  report_losses({original, training.placement(), result.sites, result.model},
                outputs_of(original, compared, samples, how, run), how, run, report);
  return report;
}

}  // namespace

TrainResult train(const Model& model, const Dataset& data, const TrainOptions& options,
                  const Run& run) {
  const TrainPlan plan = planned(options, data, model.graph);
  const Checkpoint checkpoint(run, run.checkpoint.empty() ? std::map<std::string, std::string>()
                                                          : facts_of(model, data, plan, run));
  const TorchThreads threads(run.threads);
  TrainingNetwork training(model, data, plan.options.network, run);
  if (plan.learns_labels) require_fitting_labels(training, data);
  // What learns without labels keeps its best epoch by samples that it does not learn from.
  const bool holds_out = !options.validation && !plan.quantizer.recipe.trains_network;
  const Split split = split_of(data, holds_out);
  const std::shared_ptr<const Dataset> all(std::shared_ptr<void>(), &data);
  const std::optional<Subset> held_out =
      split.held_out.empty() ? std::nullopt
                             : std::optional<Subset>(std::in_place, all, split.held_out);
  Trainer trainer(training, data, split.learned,
                  options.validation ? options.validation
                  : held_out         ? &*held_out
                                     : nullptr,
                  plan, checkpoint, run);
  TrainResult result;
  result.epochs = trainer.run();
  result.best_epoch = trainer.best_epoch();
  result.quantizer = plan.quantizer.name;
  result.guide = plan.guide.name;
  TrainingNetwork::Trained trained = training.trained();
  result.model = training.exported(trained);
  result.sites = std::move(trained.sites);
  record_origin(result.model, {model, data, calibrated_samples(plan.options, data),
                               text(plan.quantizer.name, ", ", plan.guide.name), run.seed});
  result.report = report_of(training, result, data, plan.options, run);
  if (Registry<Profile>::get(plan.options.network.quantize.target).is_packed)
    result.model = pack(result.model);
  return result;
}

}  // namespace halftone
