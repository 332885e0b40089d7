#include "halftone/qat/train_plan.h"

#include <algorithm>
#include <functional>

#include "halftone/base/checkpoint.h"
#include "halftone/qat/optimizer.h"

namespace halftone {
namespace {

constexpr double kRateUnnormalized = 0.003;  // by sgd
constexpr double kRateOfOthers = 1e-3;       // where the optimizer is not the quantizer's own

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

// [n, c, h, w]; [n, h, w, c] is told by its last axis.
bool is_image_of_planes(const ValueType& type) {
  if (!type.shape || type.shape->size() != 4) return false;
  const auto has_channels = [&](size_t axis) {
    const int64_t count = (*type.shape)[axis].value;
    return count == 1 || count == 3;
  };
  return has_channels(1) || !has_channels(3);
}

// Weights that no normalization follows: nothing takes up what a step changes too much.
double default_rate(const TrainOptions& options, const TrainingRecipe& recipe, const Graph& graph) {
  if (options.optimizer != recipe.optimizer) return kRateOfOthers;
  const bool has_norms =
      std::ranges::find(graph.nodes, "BatchNormalization", &Node::op_type) != graph.nodes.end();
  const bool is_normalized = has_norms && !options.network.folds_batch_norm;
  return is_normalized || !recipe.trains_network ? recipe.learning_rate : kRateUnnormalized;
}

}  // namespace

TrainPlan planned(const TrainOptions& options, const Dataset& data, const Graph& graph) {
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
  if (!o.weight_decay) o.weight_decay = o.network.quantize.weights <= 2 ? 3e-5 : 1e-4;
  if (o.schedule.empty()) o.schedule = recipe.schedule;
  const bool has_labels = data.is_labelled();
  if (o.guide.empty()) o.guide = recipe.guide == "none" && !has_labels ? "distill" : recipe.guide;
  const auto& guide = Registry<GuideKind>::get(o.guide);
  if (!guide.make && (!has_labels || o.label_weight <= 0))
    throw UsageError(
        "--guide none learns from labels, and there are none to learn from: use "
        "--guide distill");
  if (quantizer.name != "fat" && (o.network.trains_elements || o.network.is_symmetric))
    throw UsageError(o.network.trains_elements ? "--pointwise" : "--symmetric",
                     " is for --quantizer fat");
  // One scale for a tensor does not survive the folding of a factor for each channel.
  if (o.network.per_tensor && o.batch_norm == "keep")
    throw UsageError(
        "--per-tensor --batch-norm keep: folding would give each channel a scale of its own; "
        "use fold");
  o.network.folds_batch_norm = o.batch_norm.empty()
                                   ? recipe.folds_batch_norm || o.network.per_tensor
                                   : o.batch_norm == "fold";
  if (!o.learning_rate) o.learning_rate = default_rate(o, recipe, graph);
  if (o.validation && !guide.make && !o.validation->is_labelled())
    throw UsageError("--validate: the data has no labels, and --guide none has no other measure");
  if (o.oscillation.is_on() && !(recipe.has_uniform_grid && recipe.trains_network))
    throw UsageError(
        "--dampen and --freeze-oscillating are for weights on a uniform grid that are "
        "trained; --quantizer ",
        quantizer.name, " has none");
  const bool learns_labels = guide.uses_labels && has_labels && o.label_weight > 0;
  const bool is_image = data.inputs().size() == 1 && is_image_of_planes(data.inputs()[0].type);
  if (!o.augmentation) {
    const bool may_overfit = is_image && (learns_labels || recipe.trains_network);
    o.augmentation = may_overfit ? Augmentation{.crops = true, .flips = true} : Augmentation{};
  }
  if (!o.augmentation->is_none() && !is_image)
    throw UsageError("--augment is for images [n, c, h, w]; give --augment none");
  return {o, quantizer, guide, Registry<Schedule>::get(o.schedule), learns_labels};
}

std::string described(const TrainPlan& plan) {
  const TrainOptions& o = plan.options;
  const QuantizeOptions& q = o.network.quantize;
  const GuideOptions& g = o.guiding;
  const Augmentation& a = *o.augmentation;
  std::string lowering, fixes;
  for (int bits : o.lowering) lowering += text(bits, " ");
  for (const std::string& fix : q.fixes) fixes += fix + " ";
  return text(
      plan.quantizer.name, " ", o.network.folds_batch_norm, " ", o.network.calibration_samples, " ",
      o.network.counts_batch, o.network.clips_gradient, o.network.trains_elements,
      o.network.is_symmetric, o.network.per_tensor, o.network.rescales_depthwise, " start ",
      o.network.start ? static_cast<int>(*o.network.start) : -1, " bits ", q.weights, " ",
      q.activations, " ", q.full_range, q.shares_skips, " ", q.target, " fixes ", fixes, " plan ",
      fingerprint(q.plan_text), " epochs ", o.epochs, " batch ", o.batch, " ", o.optimizer, " ",
      *o.learning_rate, " ", o.momentum, " ", *o.weight_decay, " ", plan.schedule.name, " ",
      o.warmup, " ", o.clip_gradients, " ", o.ema, " labels ", o.label_weight, " ",
      o.label_smoothing, " guide ", plan.guide.name, " ", g.distillation_weight, " ", g.temperature,
      " ", g.feature_weight, " ", g.blocks, " ", g.mix, " ", g.mixed_weight, " ",
      g.mixed_label_weight, " ", g.mixed_teacher_weight, " ", g.mix_samples, " ", g.mix_every, " ",
      g.fades, " augment ", a.crops, a.flips, a.crops_resized, " ", a.padding, " ", a.mixup,
      " lowering ", lowering, " norm ", o.frozen_batch_norm, " ", o.reestimation_batches,
      " oscillation ", o.oscillation.dampening, " ", o.oscillation.freezing, " ",
      o.oscillation.momentum, " ", o.hooks_described);
}

}  // namespace halftone
