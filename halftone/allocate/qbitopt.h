// QBitOpt (Peters et al. 2023, arXiv 2307.04535): bits of all sites decided again while a network
// is trained, within a budget that holds at every step.
//
//   TrainOptions options = ...;
//   options.hooks.push_back(qbitopt_hook(task.sites, budget, {}, run));
#pragma once

#include <memory>
#include <string>

#include "halftone/allocate/allocate.h"
#include "halftone/allocate/reallocation.h"
#include "halftone/base/run.h"
#include "halftone/qat/line_file.h"
#include "halftone/qat/step_hook.h"
#include "halftone/qat/training_network.h"

namespace halftone {

struct QBitOptOptions {
  int64_t interval = 250;    // steps between decisions; a tenth of the training where that is less
  double warm_up = 0.1;      // share of the steps with the first bits
  double frozen = 0.4;       // share of the steps, at the end, with the last bits
  double momentum = 0.99;    // of the averages of squared gradients
  double hysteresis = 0.01;  // a decision must lower the predicted loss by this part
  std::string history = "";  // file: a JSON line for the first bits and each decision; empty: none
};

class QBitOptHook : public StepHook {
 public:
  // Sets every site to the first bits: as wide as the budget lets all be.
  QBitOptHook(TrainingNetwork& training, const AllocationSites& sites, const Budget& budget,
              const QBitOptOptions& options, const Run& run);

  void watch(SiteKind kind, const std::string& site, const at::Tensor& value,
             const at::Tensor& quantized) override;
  std::vector<at::Tensor> after_step(const TrainingStep& step) override;
  TensorMap state() const override;
  void restore(const TensorMap& state) override;

  const Reallocation& reallocation() const { return *bits_; }
  // Of the last step, by free site: squared gradients of one sample's loss, summed over the tensor.
  std::map<std::string, double> squared_gradients() const;

 private:
  void begin(uint64_t total);
  std::vector<at::Tensor> set_bits(const std::vector<size_t>& positions);
  std::map<int, double> noise_of(const AllocationSite& site) const;
  void tell(const TrainingStep& step, const std::vector<size_t>& changed);
  void record(uint64_t steps);

  TrainingNetwork& training_;
  AllocationSites sites_;
  Budget budget_;
  QBitOptOptions options_;
  LineFile history_;
  const Run& run_;
  std::unique_ptr<Reallocation> bits_;
  uint64_t total_ = 0;                                      // steps that bits_ reckons with
  std::shared_ptr<std::map<std::string, double>> squares_;  // filled by the backward pass
  double batch_ = 0;                                        // samples of the last step
  std::map<std::string, std::vector<float>>
      values_;  // of activations before quantization, a part of them
  std::map<std::string, bool> is_free_;
};

// Makes the hook for train().
MakeStepHook qbitopt_hook(const AllocationSites& sites, const Budget& budget,
                          const QBitOptOptions& options, const Run& run);

}  // namespace halftone
