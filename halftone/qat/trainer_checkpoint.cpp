// What a training keeps in its checkpoint, and how it goes on from there.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/qat/tensor_bytes.h"
#include "halftone/qat/trainer.h"
#include "halftone/qat/trainer_sums.h"

namespace halftone {
namespace {

TensorMap with_prefix(const std::string& prefix, const TensorMap& tensors) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) result[prefix + name] = tensor;
  return result;
}

TensorMap without_prefix(const std::string& prefix, const TensorMap& tensors) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) result[name.substr(prefix.size())] = tensor;
  return result;
}

// Of variable length: top-1 of mixed networks stands last.
at::Tensor packed(const EpochReport& r) {
  std::vector<double> values{static_cast<double>(r.epoch), r.loss,
                             r.train_top1.value_or(-1),    r.validation_top1.value_or(-1),
                             r.images_per_second,          r.learning_rate};
  values.insert(values.end(), r.mixed_top1.begin(), r.mixed_top1.end());
  return at::tensor(at::ArrayRef<double>(values), at::kDouble);
}

EpochReport unpacked(const at::Tensor& report) {
  const double* r = report.const_data_ptr<double>();
  const auto known = [](double value) { return value < 0 ? std::nullopt : std::optional(value); };
  return {.epoch = static_cast<int>(r[0]),
          .loss = r[1],
          .train_top1 = known(r[2]),
          .validation_top1 = known(r[3]),
          .images_per_second = r[4],
          .learning_rate = r[5],
          .mixed_top1 = {r + 6, r + report.numel()}};
}

}  // namespace

void Trainer::save(int epoch, size_t next_step) const {
  for (const auto& [name, value] : training_.network().state())
    if (!at::isfinite(value).all().item<bool>()) return;  // the last good one stays
  TensorMap all = with_prefix("network/", training_.network().state());
  all.merge(with_prefix("average/", average_));
  all.merge(with_prefix("best/", best_));
  for (size_t i = 0; i < hooks_.size(); ++i)
    all.merge(with_prefix(text("hook-", i, "/"), hooks_[i]->state()));
  if (guide_) all.merge(with_prefix("guide/", guide_->state()));
  all["optimizer"] = bytes_tensor(optimizer_->state());
  all["metrics"] = bytes_tensor(metrics_.content());
  all["sums"] = sums_->packed();
  all["position"] = at::tensor(
      {static_cast<double>(epoch), static_cast<double>(next_step), static_cast<double>(step_),
       static_cast<double>(stage_), best_quality_, static_cast<double>(best_epoch_)},
      at::kDouble);
  for (const EpochReport& report : epochs_) all[text("epoch-", report.epoch)] = packed(report);
  checkpoint_.write("state", to_bytes(all));
  sums_->saved = TrainerClock::now();
}

bool Trainer::restore(int& epoch, size_t& next_step) {
  const auto stored = checkpoint_.read("state");
  if (!stored) return false;
  const TensorMap all = tensors_from(*stored);
  const double* position = all.at("position").const_data_ptr<double>();
  epoch = static_cast<int>(position[0]);
  next_step = static_cast<size_t>(position[1]);
  step_ = static_cast<uint64_t>(position[2]);
  const auto stage = static_cast<size_t>(position[3]);
  if (stage > 0) {  // its quantizers began with the weights of that moment
    const auto stored_stage = checkpoint_.read(text("stage-", stage));
    if (!stored_stage) throw Error("the checkpoint lacks its part 'stage-", stage, "'");
    const TensorMap then = tensors_from(*stored_stage);
    const at::NoGradGuard no_gradient;
    for (const auto& [name, value] : training_.network().network().parameters())
      value.copy_(then.at(name));
    begin_stage(stage);
  }
  best_quality_ = position[4];
  best_epoch_ = static_cast<int>(position[5]);
  // Before the network: a hook may start quantizers anew.
  for (size_t i = 0; i < hooks_.size(); ++i)
    hooks_[i]->restore(without_prefix(text("hook-", i, "/"), all));
  if (guide_) guide_->restore(without_prefix("guide/", all));
  training_.network().restore(without_prefix("network/", all));
  average_ = without_prefix("average/", all);
  best_ = without_prefix("best/", all);
  optimizer_->restore(tensor_bytes(all.at("optimizer")));
  metrics_.restore(tensor_bytes(all.at("metrics")));
  sums_->unpack(all.at("sums"));
  for (int past = 1; past < epoch; ++past)
    epochs_.push_back(unpacked(all.at(text("epoch-", past))));
  return true;
}

}  // namespace halftone
