#include "halftone/qat/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "halftone/base/units.h"
#include "halftone/data/accuracy.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"
#include "halftone/nn/quantizers/element_factors.h"
#include "halftone/nn/tensors.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/qat/batch_norm.h"
#include "halftone/qat/losses.h"
#include "halftone/qat/tensor_bytes.h"
#include "halftone/qat/trainable.h"
#include "halftone/qat/trainer_sums.h"

namespace halftone {
namespace {

constexpr uint64_t kStepsBetweenLines = 10;
constexpr double kSecondsBetweenReports = 30;
constexpr int kReestimation = 0;  // in the place of an epoch: its own augmentations
// Nagel et al. 2022 (arXiv 2203.11086) move scales by Adam with a rate of 1e-5.
constexpr double kScaleRateOfAdam = 0.01;

TensorMap copied(const TensorMap& tensors) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.detach().clone();
  return result;
}

at::Tensor labels_of(const Batch& batch) {
  return at::tensor(at::ArrayRef<int64_t>(batch.labels), at::kLong);
}

TensorMap fed(const Network& network, const Batch& batch) {
  TensorMap inputs = network_inputs(network, batch);
  for (auto& [name, value] : inputs) value = value.narrow(0, 0, static_cast<int64_t>(batch.count));
  return inputs;
}

}  // namespace

Trainer::Trainer(TrainingNetwork& training, const Dataset& data, std::vector<size_t> samples,
                 const Dataset* held_out, const TrainPlan& plan, const Checkpoint& checkpoint,
                 const Run& run)
    : training_(training),
      data_(data),
      samples_(std::move(samples)),
      batch_(std::min(plan.options.batch, samples_.size())),
      held_out_(held_out),
      plan_(plan),
      checkpoint_(checkpoint),
      run_(run),
      sums_(std::make_unique<Sums>()),
      metrics_(plan.options.metrics) {
  steps_per_epoch_ = std::max<size_t>(1, samples_.size() / plan_.options.batch);
  total_ = steps_per_epoch_ * static_cast<uint64_t>(plan_.options.epochs);
  begin_stage(0);
}

Trainer::~Trainer() = default;

LoadOptions Trainer::loading(size_t batch) const {
  return {.batch = batch, .skip_broken = plan_.options.network.quantize.skip_broken};
}

const std::string& Trainer::output_name() const {
  return training_.network().network().graph().outputs[0].name;
}

size_t Trainer::stage_at(uint64_t step) const {
  const uint64_t stages = plan_.options.lowering.size() + 1;
  return static_cast<size_t>(std::min(stages - 1, step * stages / total_));
}

// Every stage is a training of its own to the schedule: at the end of one for all, the fewest bits
// would be left without a rate.
TrainingStep Trainer::in_stage() const {
  const uint64_t stages = plan_.options.lowering.size() + 1, stage = stage_at(step_);
  const auto first_of = [&](uint64_t s) { return (s * total_ + stages - 1) / stages; };
  return {step_ - first_of(stage), first_of(stage + 1) - first_of(stage)};
}

// Quantizers of the stage's bits, and whatever holds on to them.
void Trainer::begin_stage(size_t stage) {
  const auto& lowering = plan_.options.lowering;
  stage_ = stage;
  if (!lowering.empty()) {
    const int bits = stage < lowering.size() ? lowering[stage] : 1;
    training_.lower_bits(bits, data_, run_);
    if (bits > 1)
      run_.info(text("step ", step_, ": no site has less than ", bits, " bits"));
    else
      run_.info(text("step ", step_, ": every site has its own bits"));
  }
  const auto before = std::move(optimizer_);
  optimizer_ = std::make_unique<TrainingOptimizer>(
      trained_groups(), OptimizerOptions{plan_.options.optimizer, *plan_.options.learning_rate,
                                         plan_.options.momentum});
  if (before) optimizer_->keep_moments(*before);
  if (plan_.guide.make)
    guide_ = plan_.guide.make(
        {training_.network(), training_.float_graph(), plan_.options.guiding, run_});
  hooks_.clear();
  if (plan_.options.oscillation.is_on())
    hooks_.push_back(
        std::make_unique<OscillationHook>(training_.network(), plan_.options.oscillation));
  for (const MakeStepHook& make : plan_.options.hooks) hooks_.push_back(make(training_));
  if (plan_.options.ema > 0) average_ = copied(training_.network().state());
}

// What is decayed, what is not, and scales; empty ones are left out.
std::vector<TrainedGroup> Trainer::trained_groups() const {
  const TrainedNetwork& network = training_.network();
  const TrainOptions& options = plan_.options;
  const bool trains_network = plan_.quantizer.recipe.trains_network;
  const double decay = *options.weight_decay;
  TrainedGroup decayed{{}, decay}, others, scales;
  if (trains_network)
    for (const auto& [name, is_weight] : trainable(network.network().graph()))
      (is_weight ? decayed : others).tensors[name] = network.network().parameters().at(name);
  auto add = [&](SiteKind kind, const auto& all) {
    for (const auto& [site, quantizer] : all)
      for (const auto& [name, tensor] : quantizer->parameters())
        (quantizer->decayed().contains(name) ? decayed
         : name == "scale"                   ? scales
                                             : others)
            .tensors[state_name(kind, site, name)] = tensor;
  };
  add(SiteKind::kWeight, network.quantizers().weights);
  add(SiteKind::kActivation, network.quantizers().activations);
  for (const auto& [name, factors] : network.quantizers().bias_factors)
    others.tensors[text("bias/", name, "/elements")] = factors;
  // Adam's steps do not know how small a scale is beside the weights.
  if (trains_network && options.optimizer != "sgd") scales.rate = kScaleRateOfAdam;
  std::vector<TrainedGroup> groups{decayed, others, scales};
  std::erase_if(groups, [](const TrainedGroup& group) { return group.tensors.empty(); });
  return groups;
}

std::vector<EpochReport> Trainer::run() {
  int epoch = 1;
  size_t next_step = 0;
  const bool is_resumed = restore(epoch, next_step);
  if (is_resumed) run_.info(text("going on in epoch ", epoch, " at step ", next_step));
  const bool starts_well = !plan_.quantizer.recipe.trains_network && plan_.options.lowering.empty();
  if (!is_resumed && starts_well && held_out_) keep_if_best(0, quality(*held_out_));
  for (; epoch <= plan_.options.epochs; ++epoch, next_step = 0) {
    if (run_.is_time_up()) {
      run_.warning(text("the time is up after ", epoch - 1, " of ", plan_.options.epochs,
                        " epochs; the result is the best so far"));
      break;
    }
    run_epoch(epoch, next_step);
    end_epoch(epoch);
  }
  if (stage_ != plan_.options.lowering.size()) {
    run_.warning("the sites' own bits were not reached; what is written has them, untrained");
    begin_stage(plan_.options.lowering.size());
  }
  if (!best_.empty()) {
    training_.network().restore(best_);
    return epochs_;
  }
  best_epoch_ = epoch - 1;
  if (plan_.options.ema > 0) training_.network().restore(average_);
  reestimate();
  return epochs_;
}

void Trainer::run_epoch(int epoch, size_t first_step) {
  std::vector<size_t> order = samples_;
  run_.rng(text("epoch/", epoch)).shuffle(order);
  order.resize(steps_per_epoch_ * batch_);
  Progress progress(run_, text("epoch ", epoch, " of ", plan_.options.epochs), order.size());
  progress.advance(first_step * batch_);
  size_t done = first_step;
  bool is_between_steps = true;
  auto learn_from = [&](const Batch& loaded) {
    is_between_steps = false;
    if (stage_at(step_) != stage_) {
      checkpoint_.write(text("stage-", stage_at(step_)),
                        to_bytes(training_.network().network().parameters()));
      begin_stage(stage_at(step_));
    }
    step(loaded, epoch);
    // Batches of which no sample could be read do not come here, and count.
    const auto rest = std::span(order).subspan(done * batch_);
    done += static_cast<size_t>(std::ranges::find(rest, loaded.indices.front()) - rest.begin()) /
                batch_ +
            1;
    progress.advance(batch_);
    if (is_save_due()) save(epoch, done);
    is_between_steps = true;
  };
  try {
    for_each_batch(data_, std::span(order).subspan(first_step * batch_), loading(batch_), run_,
                   learn_from);
  } catch (const Error&) {  // Ctrl-C, or samples that cannot be read: what was learned stays
    if (checkpoint_.is_kept() && is_between_steps) save(epoch, done);
    throw;
  }
}

bool Trainer::is_save_due() const {
  const std::chrono::duration<double> since = TrainerClock::now() - sums_->saved;
  return checkpoint_.is_kept() && since.count() >= plan_.options.seconds_between_saves;
}

bool Trainer::trains_statistics() const {
  const double progress = static_cast<double>(step_) / static_cast<double>(total_);
  return plan_.quantizer.recipe.trains_network && progress < 1 - plan_.options.frozen_batch_norm;
}

// The batch as the network is fed with it.
TensorMap Trainer::inputs_of(const Batch& batch, int epoch) const {
  TensorMap inputs = fed(training_.network().network(), batch);
  const Augmentation& how = *plan_.options.augmentation;
  if (how.is_none()) return inputs;
  at::Tensor& images = inputs.begin()->second;
  images = augmented(images, batch.indices, epoch, how, run_);
  return inputs;
}

// With what its labels have become.
Trainer::Fed Trainer::prepared(const Batch& batch, int epoch) const {
  Fed result{inputs_of(batch, epoch), {labels_of(batch)}};
  const Augmentation& how = *plan_.options.augmentation;
  if (how.mixup <= 0) return result;
  at::Tensor& images = result.inputs.begin()->second;
  Mixed mixed = mixed_up(images, step_, how.mixup, run_);
  images = mixed.images;
  result.labels.others = result.labels.own.index_select(0, mixed.others);
  result.labels.share = mixed.share;
  return result;
}

TensorMap Trainer::outputs_of(const Fed& fed) const {
  QuantizedRun run{.training = true, .batch_statistics = trains_statistics()};
  if (guide_) run.capture = guide_->captures();
  if (!hooks_.empty())
    run.watch = [&](SiteKind kind, const std::string& site, const at::Tensor& value,
                    const at::Tensor& quantized) {
      for (const auto& hook : hooks_) hook->watch(kind, site, value, quantized);
    };
  return training_.network().run(fed.inputs, run);
}

at::Tensor Trainer::loss_of(const Fed& fed, const TensorMap& outputs) const {
  const at::Tensor& logits = outputs.at(output_name());
  const TrainingStep at{step_, total_};
  at::Tensor loss = at::zeros({}, at::kFloat);
  if (plan_.learns_labels)
    loss = loss + label_loss(logits, fed.labels, plan_.options.label_smoothing) *
                      plan_.options.label_weight;
  if (guide_) {
    const Labels none;
    const at::Tensor more =
        guide_->loss({fed.inputs, outputs, logits, plan_.learns_labels ? fed.labels : none, step_,
                      at.progress(), trains_statistics()});
    if (more.defined()) loss = loss + more;
  }
  for (const auto& hook : hooks_)
    if (const at::Tensor more = hook->loss(at); more.defined()) loss = loss + more;
  return loss;
}

// Gradients, and everything that moves by them.
void Trainer::update(const at::Tensor& loss, const TensorMap& inputs) {
  const TrainOptions& options = plan_.options;
  optimizer_->zero_gradients();
  loss.backward();
  if (options.clip_gradients > 0 &&
      !std::isfinite(optimizer_->clip_gradients(options.clip_gradients)))
    report_not_finite(inputs);
  const TrainingStep at{step_, total_}, of_stage = in_stage();
  if (begins_cycle(plan_.schedule, of_stage, options.warmup)) optimizer_->forget();
  const double factor = rate_factor(plan_.schedule, of_stage, options.warmup);
  optimizer_->step(factor);
  sums_->rate = *options.learning_rate * factor;
  project();
  for (const auto& hook : hooks_) forget(hook->after_step(at));
  follow_average();
}

// What began anew has no moments and no average, and what was best had other bits.
void Trainer::forget(const std::vector<at::Tensor>& anew) {
  if (anew.empty()) return;
  optimizer_->forget(anew);
  best_.clear();
  auto is_new = [&](const at::Tensor& value) {
    return std::ranges::any_of(anew, [&](const at::Tensor& one) { return one.is_same(value); });
  };
  for (const auto& [name, value] : training_.network().state())
    if (plan_.options.ema > 0 && is_new(value)) average_[name] = value.detach().clone();
}

void Trainer::step(const Batch& batch, int epoch) {
  const Fed fed = prepared(batch, epoch);
  const TensorMap outputs = outputs_of(fed);
  const at::Tensor loss = loss_of(fed, outputs);
  const double value = loss.item<double>();
  if (!std::isfinite(value)) report_not_finite(fed.inputs);
  update(loss, fed.inputs);
  const double top1 = sums_->add(value, outputs.at(output_name()).detach(), fed.labels.own);
  if (step_ % kStepsBetweenLines == 0)
    metrics_.add({epoch, step_, value, top1, sums_->rate, sums_->images_per_second()});
  ++step_;
  report_if_due();
}

// How it goes within a long epoch, a line from time to time.
void Trainer::report_if_due() {
  const std::chrono::duration<double> since = TrainerClock::now() - sums_->reported;
  if (since.count() < kSecondsBetweenReports) return;
  sums_->reported = TrainerClock::now();
  run_.info(text("step ", step_, " of ", total_, ": loss ", fixed(sums_->mean_loss(), 4),
                 sums_->labelled > 0 ? text(", top-1 of batches ", fixed(sums_->top1(), 2)) : "",
                 ", ", fixed(sums_->images_per_second(), 0), " images/s, ",
                 format_seconds(seconds_left()), " left"));
}

double Trainer::seconds_left() const {
  return static_cast<double>((total_ - step_) * batch_) /
         std::max(1e-9, sums_->images_per_second());
}

// Quantizers' parameters, and factors of normalization that stay on the side where folding finds
// their weights' codes.
void Trainer::project() {
  const at::NoGradGuard no_gradient;
  TrainedNetwork& network = training_.network();
  for (const auto& [site, quantizer] : network.quantizers().weights) quantizer->project();
  for (const auto& [site, quantizer] : network.quantizers().activations) quantizer->project();
  for (auto& [name, factors] : network.quantizers().bias_factors) clamp_factors(factors);
  for (const std::string& gamma : training_.positive_gammas())
    network.network().parameters().at(gamma).clamp_min_(0);
}

void Trainer::follow_average() {
  if (plan_.options.ema <= 0) return;
  const at::NoGradGuard no_gradient;
  for (const auto& [name, value] : training_.network().state())
    average_.at(name).mul_(plan_.options.ema).add_(value, 1 - plan_.options.ema);
}

// Of images cropped and flipped as those that the network learned from: statistics of images as they
// are belong to other weights.
void Trainer::reestimate() {
  if (plan_.options.reestimation_batches <= 0 || !plan_.quantizer.recipe.trains_network) return;
  const TrainedNetwork& network = training_.network();
  if (network.network().running_statistics().empty()) return;
  const size_t count = batch_ * std::min(samples_.size() / batch_,
                                         static_cast<size_t>(plan_.options.reestimation_batches));
  // Samples of a folder lie class by class; a batch of one class has other statistics.
  std::vector<size_t> mixed = samples_;
  run_.rng("reestimation").shuffle(mixed);
  mixed.resize(count);
  BatchNormEstimate estimate(network);
  for_each_batch(data_, mixed, loading(batch_), run_, [&](const Batch& loaded) {
    if (loaded.count == batch_) estimate.add(inputs_of(loaded, kReestimation));
  });
  estimate.finish();
}

// Top-1 in percent where there are labels, else the guide's loss with its sign turned: more is
// better.
double Trainer::quality(const Dataset& data) const {
  const TrainedNetwork& network = training_.network();
  const std::string& output = output_name();
  const LoadOptions how = loading(std::min<size_t>(plan_.options.batch, data.size()));
  if (plan_.learns_labels && data.is_labelled()) {
    Accuracy accuracy;
    using Rows = std::pair<std::vector<std::vector<float>>, std::vector<int64_t>>;
    over_batches<Rows>(
        data, all_samples(data), how, run_, "validating",
        [&](size_t, const Batch& batch) -> Rows {
          if (batch.count == 0) return {};
          const TensorMap out = network.run(fed(network.network(), batch));
          return {real_rows(out.at(output), batch, batch.count), batch.labels};
        },
        [&](Rows rows) {
          for (size_t i = 0; i < rows.first.size(); ++i)
            accuracy.add(rows.first[i], rows.second[i]);
        });
    return accuracy.top1_percent();
  }
  const at::NoGradGuard no_gradient;
  double total = 0, batches = 0;
  for_each_batch(data, how, run_, [&](const Batch& batch) {
    const TensorMap inputs = fed(network.network(), batch);
    const TensorMap out =
        network.run(inputs, {.capture = guide_ ? guide_->captures() : std::set<std::string>()});
    const Labels none;
    // The same mixed networks every time, or losses of two epochs could not be compared.
    total += guide_->loss({inputs, out, out.at(output), none, 0, 0, /*batch_statistics=*/false})
                 .item<double>();
    ++batches;
  });
  return -total / std::max(1.0, batches);
}

void Trainer::keep_if_best(int epoch, double quality) {
  if (!best_.empty() && !(quality > best_quality_)) return;
  best_ = copied(training_.network().state());
  best_quality_ = quality;
  best_epoch_ = epoch;
}

void Trainer::end_epoch(int epoch) {
  EpochReport report{.epoch = epoch,
                     .loss = sums_->mean_loss(),
                     .images_per_second = sums_->images_per_second(),
                     .learning_rate = sums_->rate};
  if (sums_->labelled > 0) report.train_top1 = sums_->top1();
  if (guide_) report.mixed_top1 = guide_->take_top1();
  // Bits are still to fall before the last stage: what is best then is no result.
  if (held_out_ && stage_ == plan_.options.lowering.size()) {
    const TensorMap present = copied(training_.network().state());
    if (plan_.options.ema > 0) training_.network().restore(average_);
    reestimate();
    const double found = quality(*held_out_);
    if (plan_.learns_labels && held_out_->is_labelled()) report.validation_top1 = found;
    keep_if_best(epoch, found);
    training_.network().restore(present);
  }
  std::string mixed;
  for (double top1 : report.mixed_top1) mixed += text(mixed.empty() ? "" : ", ", fixed(top1, 2));
  if (!mixed.empty()) mixed = text(" (of mixed networks ", mixed, ")");
  run_.info(text(
      "epoch ", epoch, " of ", plan_.options.epochs, ": loss ", fixed(report.loss, 4),
      report.train_top1 ? text(", top-1 of batches ", fixed(*report.train_top1, 2)) : "", mixed,
      report.validation_top1 ? text(", of validation ", fixed(*report.validation_top1, 2)) : "",
      ", ", fixed(report.images_per_second, 0), " images/s, ", format_seconds(seconds_left()),
      " left"));
  metrics_.add({epoch, step_, report.loss, report.train_top1.value_or(-1), report.learning_rate,
                report.images_per_second, "epoch"});
  epochs_.push_back(report);
  *sums_ = Sums();
  if (checkpoint_.is_kept()) save(epoch + 1, 0);
}

void Trainer::report_not_finite(const TensorMap& inputs) const {
  std::string where;
  const at::NoGradGuard no_gradient;
  auto look = [&](const std::string& name, const at::Tensor& value) {
    if (where.empty() && value.is_floating_point() && !at::isfinite(value).all().item<bool>())
      where = name;
  };
  for (const auto& [name, value] : training_.network().state()) look(name, value);
  if (where.empty()) training_.network().run(inputs, {.observe = look});
  std::string what = "the loss is no longer a number, first in";
  if (where.empty()) {
    what = "the gradients are no longer numbers, among them that of";
    for (const TrainedGroup& group : trained_groups())
      for (const auto& [name, value] : group.tensors)
        if (value.grad().defined()) look(name, value.grad());
  }
  throw Error("training step ", step_, ": ", what, " '", where,
              "'; a lower --learning-rate or --clip-gradients may help; ",
              checkpoint_.is_kept()
                  ? text("the last good checkpoint lies in '", checkpoint_.folder().string(), "'")
                  : "no checkpoint was kept (--checkpoint)");
}

}  // namespace halftone
