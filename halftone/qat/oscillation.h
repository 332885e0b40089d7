// Weights that flip between two codes for ever: found, dampened, frozen (Nagel et al. 2022, arXiv
// 2203.11086).
#pragma once

#include <map>
#include <string>

#include "halftone/qat/step_hook.h"
#include "halftone/qat/trained_network.h"

namespace halftone {

struct OscillationOptions {
  double dampening = 0;     // lambda at the end, from 0 at `begins` by a cosine; 0: off
  double freezing = 0;      // threshold of the frequency at the end, from kFirstThreshold; 0: off
  double momentum = 0.001;  // of the moving averages
  double begins = 0.25;     // share of the steps before either
  int most_bits = 4;        // sites of more bits are left alone
  bool is_on() const { return dampening > 0 || freezing > 0; }
};

// Of one weight tensor: how often each code turns back, and what is frozen.
class OscillationTracker {
 public:
  // codes: the integers of the weight as they start.
  explicit OscillationTracker(const at::Tensor& codes, double momentum);
  // Codes after a step. An element oscillates where it changes against its last change.
  void add(const at::Tensor& codes);
  const at::Tensor& frequency() const { return frequency_; }
  // Codes to which elements are frozen, and which are.
  const at::Tensor& frozen_codes() const { return frozen_codes_; }
  const at::Tensor& is_frozen() const { return is_frozen_; }
  // Freezes what oscillates more often than `threshold` at its mean code.
  void freeze_above(double threshold);
  // Whether each element oscillated at the last add().
  const at::Tensor& oscillates() const { return oscillates_; }

  TensorMap state() const;
  void restore(const TensorMap& state);

 private:
  double momentum_;
  at::Tensor codes_, direction_, frequency_, mean_, oscillates_, is_frozen_, frozen_codes_;
};

class OscillationHook : public StepHook {
 public:
  OscillationHook(TrainedNetwork& network, const OscillationOptions& options);
  at::Tensor loss(const TrainingStep& step) override;
  std::vector<at::Tensor> after_step(const TrainingStep& step) override;
  TensorMap state() const override;
  void restore(const TensorMap& state) override;

  // Threshold at a step: 0 before `begins`, then a cosine from kFirstThreshold to `freezing`.
  double threshold(const TrainingStep& step) const;
  static constexpr double kFirstThreshold = 0.1;

 private:
  TrainedNetwork& network_;
  OscillationOptions options_;
  std::map<std::string, OscillationTracker> trackers_;
};

}  // namespace halftone
