// The loop over epochs and steps: batches, losses, optimizer, checkpoints.
//
//   const TrainPlan plan = planned(options, data, model.graph);  // what it is given must outlive it
//   Trainer trainer(training, data, all_samples(data), nullptr, plan, checkpoint, run);
//   const std::vector<EpochReport> epochs = trainer.run();
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "halftone/base/checkpoint.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/qat/metrics_file.h"
#include "halftone/qat/optimizer.h"
#include "halftone/qat/step_hook.h"
#include "halftone/qat/train_plan.h"
#include "halftone/qat/training_network.h"

namespace halftone {

class Trainer {
 public:
  // held_out: what the best epoch is chosen by; nullptr: the last one is taken.
  Trainer(TrainingNetwork& training, const Dataset& data, std::vector<size_t> samples,
          const Dataset* held_out, const TrainPlan& plan, const Checkpoint& checkpoint,
          const Run& run);
  ~Trainer();

  // All epochs; the network has the best weights afterwards.
  std::vector<EpochReport> run();
  int best_epoch() const { return best_epoch_; }

 private:
  struct Sums;
  void begin_stage(size_t stage);
  size_t stage_at(uint64_t step) const;
  TrainingStep in_stage() const;
  void run_epoch(int epoch, size_t first_step);
  void step(const Batch& batch, int epoch);
  void report_if_due();
  double seconds_left() const;
  struct Fed {
    TensorMap inputs;
    Labels labels;
  };
  TensorMap inputs_of(const Batch& batch, int epoch) const;
  Fed prepared(const Batch& batch, int epoch) const;
  TensorMap outputs_of(const Fed& fed) const;
  at::Tensor loss_of(const Fed& fed, const TensorMap& outputs) const;
  void update(const at::Tensor& loss, const TensorMap& inputs);
  void forget(const std::vector<at::Tensor>& anew);
  void end_epoch(int epoch);
  double quality(const Dataset& data) const;
  void keep_if_best(int epoch, double quality);
  void reestimate();
  [[noreturn]] void report_not_finite(const TensorMap& inputs) const;
  LoadOptions loading(size_t batch) const;
  const std::string& output_name() const;
  std::vector<TrainedGroup> trained_groups() const;
  bool trains_statistics() const;
  bool is_save_due() const;
  void project();
  void follow_average();
  void save(int epoch, size_t next_step) const;
  bool restore(int& epoch, size_t& next_step);

  TrainingNetwork& training_;
  const Dataset& data_;
  std::vector<size_t> samples_;
  size_t batch_;  // of a step: the plan's, or all samples where there are fewer
  const Dataset* held_out_;
  const TrainPlan& plan_;
  const Checkpoint& checkpoint_;
  const Run& run_;
  size_t steps_per_epoch_ = 0;
  uint64_t step_ = 0, total_ = 0;
  size_t stage_ = 0;
  std::unique_ptr<TrainingOptimizer> optimizer_;
  std::unique_ptr<Guide> guide_;
  std::vector<std::unique_ptr<StepHook>> hooks_;
  TensorMap average_, best_;
  double best_quality_ = 0;
  int best_epoch_ = 0;
  std::unique_ptr<Sums> sums_;
  std::vector<EpochReport> epochs_;
  MetricsFile metrics_;
};

}  // namespace halftone
