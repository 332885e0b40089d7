#include "halftone/qat/train.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "halftone/base/units.h"
#include "halftone/data/evaluate.h"
#include "halftone/export/compact.h"
#include "halftone/export/weight_only.h"
#include "halftone/onnx/writer.h"
#include "halftone/ptq/compare.h"
#include "halftone/qat/trainer.h"

namespace halftone {
namespace {

constexpr size_t kComparedSamples = 256;
constexpr size_t kMostHeldOut = 512;

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

void require_valid(const TrainOptions& options) {
  if (options.epochs < 1) throw UsageError("--epochs ", options.epochs, ": 1 or more");
  if (options.batch < 1) throw UsageError("--batch ", options.batch, ": 1 or more");
  if (options.learning_rate && !(*options.learning_rate > 0))
    throw UsageError("--learning-rate ", *options.learning_rate, ": above 0");
  if (!(options.momentum >= 0 && options.momentum < 1))
    throw UsageError("--momentum ", options.momentum, ": 0 to below 1");
  if (options.weight_decay && !(*options.weight_decay >= 0))
    throw UsageError("--weight-decay ", *options.weight_decay, ": 0 or above");
  if (options.ema < 0 || options.ema >= 1)
    throw UsageError("--ema ", options.ema, ": 0 to below 1");
  if (options.label_smoothing < 0 || options.label_smoothing >= 1)
    throw UsageError("--label-smoothing ", options.label_smoothing, ": 0 to below 1");
  if (!std::ranges::is_sorted(options.lowering, std::greater<>()))
    throw UsageError("--lower-bits: from many to few, for example 4,3");
  if (!options.batch_norm.empty() && options.batch_norm != "keep" && options.batch_norm != "fold")
    throw UsageError("--batch-norm ", options.batch_norm, ": keep or fold");
}

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

std::string described(const TrainPlan& plan) {
  const TrainOptions& o = plan.options;
  const QuantizeOptions& q = o.network.quantize;
  const GuideOptions& g = o.guiding;
  const Augmentation& a = *o.augmentation;
  std::string lowering, fixes;
  for (int bits : o.lowering) lowering += text(bits, " ");
  for (const std::string& fix : q.fixes) fixes += fix + " ";
  return text(plan.quantizer.name, " ", o.network.folds_batch_norm, " ",
              o.network.calibration_samples, " ", o.network.counts_batch, o.network.clips_gradient,
              o.network.trains_elements, o.network.is_symmetric, o.network.per_tensor,
              o.network.rescales_depthwise, " start ",
              o.network.start ? static_cast<int>(*o.network.start) : -1, " bits ", q.weights, " ",
              q.activations, " ", q.full_range, " ", q.target, " fixes ", fixes, " plan ",
              fingerprint(q.plan_text), " epochs ", o.epochs, " batch ", o.batch, " ", o.optimizer,
              " ", *o.learning_rate, " ", o.momentum, " ", *o.weight_decay, " ", plan.schedule.name,
              " ", o.warmup, " ", o.clip_gradients, " ", o.ema, " labels ", o.label_weight, " ",
              o.label_smoothing, " guide ", plan.guide.name, " ", g.distillation_weight, " ",
              g.temperature, " ", g.feature_weight, " ", g.blocks, " ", g.mix, " ", g.mixed_weight,
              " ", g.mixed_label_weight, " ", g.mixed_teacher_weight, " ", g.mix_samples, " ",
              g.mix_every, " ", g.fades, " augment ", a.crops, a.flips, a.crops_resized, " ",
              a.padding, " ", a.mixup, " lowering ", lowering, " norm ", o.frozen_batch_norm, " ",
              o.reestimation_batches, " oscillation ", o.oscillation.dampening, " ",
              o.oscillation.freezing, " ", o.oscillation.momentum, " ", o.hooks_described);
}

std::map<std::string, std::string> facts_of(const Model& model, const Dataset& data,
                                            const TrainPlan& plan, const Run& run) {
  std::string names;
  for (size_t i = 0; i < data.size(); ++i) names += data.name(i) + "\n";
  return {{"model", fingerprint(serialize_model(model))},
          {"data", text(data.size(), " samples, ", fingerprint(names))},
          {"options", described(plan)},
          {"seed", std::to_string(run.seed)},
          {"threads", std::to_string(run.threads)},
          {"validation",
           plan.options.validation ? text(plan.options.validation->size(), " samples") : "none"}};
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
  report.calibration_samples = data.size();
  report.float_operators =
      float_operators_with_weights(training.folded_graph(), training.placement(), result.sites);
  report_losses({original, training.placement(), result.sites, result.model},
                outputs_of(original, compared, samples, how, run), how, run, report);
  return report;
}

}  // namespace

TrainPlan planned(const TrainOptions& options, const Dataset& data) {
  require_valid(options);
  const auto& quantizer = Registry<QuantizerKind>::get(options.network.quantizer);
  const TrainingRecipe& recipe = quantizer.recipe;
  TrainOptions o = options;
  const int bits = o.network.quantize.weights;
  if (!o.network.quantize.plan && bits != 32 && bits > recipe.most_weight_bits)
    throw UsageError("--quantizer ", quantizer.name, " is for weights of at most ",
                     recipe.most_weight_bits, " bits: give --weights ", recipe.most_weight_bits);
  if (o.optimizer.empty()) o.optimizer = recipe.optimizer;
  require_optimizer(o.optimizer);
  if (!o.learning_rate)
    o.learning_rate = o.optimizer == recipe.optimizer ? recipe.learning_rate : 1e-3;
  if (!o.weight_decay) o.weight_decay = o.network.quantize.weights <= 2 ? 3e-5 : 1e-4;
  if (o.schedule.empty()) o.schedule = recipe.schedule;
  const bool has_labels = data.is_labelled();
  if (o.guide.empty()) o.guide = recipe.guide == "none" && !has_labels ? "distill" : recipe.guide;
  const auto& guide = Registry<GuideKind>::get(o.guide);
  if (!guide.make && (!has_labels || o.label_weight <= 0))
    throw UsageError(
        "--guide none learns from labels, and there are none to learn from: use "
        "--guide distill");
  // One scale for a tensor does not survive the folding of a factor for each channel.
  o.network.folds_batch_norm = o.batch_norm.empty()
                                   ? recipe.folds_batch_norm || o.network.per_tensor
                                   : o.batch_norm == "fold";
  if (o.validation && !guide.make && !o.validation->is_labelled())
    throw UsageError("--validate: the data has no labels, and --guide none has no other measure");
  if (o.oscillation.is_on() && !(recipe.has_uniform_grid && recipe.trains_network))
    throw UsageError(
        "--dampen and --freeze-oscillating are for weights on a uniform grid that are "
        "trained; --quantizer ",
        quantizer.name, " has none");
  const bool learns_labels = guide.uses_labels && has_labels && o.label_weight > 0;
  const bool is_image = data.inputs().size() == 1 && data.inputs()[0].type.shape &&
                        data.inputs()[0].type.shape->size() == 4;
  if (!o.augmentation)
    o.augmentation =
        is_image && learns_labels ? Augmentation{.crops = true, .flips = true} : Augmentation{};
  if (!o.augmentation->is_none() && !is_image)
    throw UsageError("--augment is for images [n, c, h, w]; give --augment none");
  return {o, quantizer, guide, Registry<Schedule>::get(o.schedule), learns_labels};
}

TrainResult train(const Model& model, const Dataset& data, const TrainOptions& options,
                  const Run& run) {
  const TrainPlan plan = planned(options, data);
  const Checkpoint checkpoint(run, run.checkpoint.empty() ? std::map<std::string, std::string>()
                                                          : facts_of(model, data, plan, run));
  const TorchThreads threads(run.threads);
  TrainingNetwork training(model, data, plan.options.network, run);
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
  result.model.set_metadata("halftone.method", text(plan.quantizer.name, ", ", plan.guide.name));
  result.model.set_metadata("halftone.seed", std::to_string(run.seed));
  result.report = report_of(training, result, data, plan.options, run);
  if (Registry<Profile>::get(plan.options.network.quantize.target).is_packed)
    result.model = pack(result.model);
  return result;
}

}  // namespace halftone
