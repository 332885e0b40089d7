#include "halftone/qat/oscillation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "halftone/qat/training_network.h"
#include "tests/training_model.h"

namespace halftone {
namespace {

std::vector<float> flags_of(const std::vector<float>& codes) {
  OscillationTracker tracker(at::full({1}, codes[0]), 0.01);
  std::vector<float> flags{0};
  for (size_t i = 1; i < codes.size(); ++i) {
    tracker.add(at::full({1}, codes[i]));
    flags.push_back(tracker.oscillates().item<float>());
  }
  return flags;
}

TEST(Oscillation, IsAChangeAgainstTheLastChange) {
  EXPECT_EQ(flags_of({0, 1, 0, 1, 1, 0}), (std::vector<float>{0, 0, 1, 1, 0, 1}));
  EXPECT_EQ(flags_of({0, 1, 2, 3}), (std::vector<float>{0, 0, 0, 0}));
}

// f(w) = (Q(w) - 0.252)^2 through the straight-through estimator flips for ever between 0 and 1;
// freezing ends it at 0, the mean's rounding.
TEST(Oscillation, FreezingEndsTheToyOscillation) {
  float w = 0.252f;
  OscillationTracker tracker(at::zeros({1}), 0.01);
  int flips = 0, step = 0;
  float last = 0;
  for (; step < 3000 && tracker.is_frozen().item<float>() == 0; ++step) {
    const float q = std::nearbyint(w);
    flips += q != last;
    last = q;
    w -= 0.01f * 2 * (q - 0.252f);
    tracker.add(at::full({1}, std::nearbyint(w)));
    tracker.freeze_above(0.1);
  }
  EXPECT_LT(step, 1000);
  EXPECT_GT(flips, 10);
  EXPECT_EQ(tracker.frozen_codes().item<float>(), 0);
}

struct Trained {
  StripedImages data;
  TrainingNetwork training;
  Trained() : training(training_model(), data, options(), {}) {}
  static TrainingNetworkOptions options() {
    TrainingNetworkOptions result;
    result.quantize.weights = result.quantize.activations = 3;
    return result;
  }
};

TEST(Oscillation, ThresholdFollowsItsSchedule) {
  Trained t;
  const OscillationHook hook(t.training.network(), {.freezing = 0.01});
  EXPECT_EQ(hook.threshold({24, 100}), 0);
  EXPECT_NEAR(hook.threshold({25, 100}), 0.1, 1e-9);
  EXPECT_NEAR(hook.threshold({100, 100}), 0.01, 1e-9);
}

TEST(Oscillation, FrozenWeightsKeepTheirCodeWhileTheScaleMoves) {
  Trained t;
  TrainedNetwork& network = t.training.network();
  OscillationHook hook(network, {.freezing = 0.01, .momentum = 0.5});
  const at::Tensor weight = network.network().parameters().at("a.weight");
  Quantizer& quantizer = *network.quantizers().weights.at("a.weight");
  const at::Tensor start = weight.clone();
  // Every element goes up and down by more than a step.
  for (uint64_t i = 0; i < 12; ++i) {
    weight.copy_(i % 2 ? start : -start);
    hook.after_step({60 + i, 100});
  }
  const auto codes = quantizer.freeze(weight).codes;
  quantizer.parameters().at("scale").mul_(1.3);
  weight.copy_(start);
  hook.after_step({80, 100});
  size_t same = 0;
  const auto after = quantizer.freeze(weight).codes;
  for (size_t i = 0; i < codes.size(); ++i) same += codes[i] == after[i];
  EXPECT_GT(same, codes.size() * 9 / 10);
}

TEST(Oscillation, DampeningPullsWeightsToTheirCodes) {
  Trained t;
  TrainedNetwork& network = t.training.network();
  OscillationHook hook(network, {.dampening = 0.1});
  EXPECT_FALSE(hook.loss({10, 100}).defined()) << "not before a quarter of the steps";
  const at::Tensor weight = network.network().parameters().at("a.weight").requires_grad_();
  const at::Tensor loss = hook.loss({90, 100});
  loss.backward();
  const at::Tensor quantized = network.quantizers().weights.at("a.weight")->forward(weight);
  const at::Tensor towards = (quantized - weight).detach();
  // Against the gradient is towards the code, where the weight is not clipped.
  EXPECT_LE((towards * weight.grad()).sum().item<float>(), 0);
  EXPECT_GT(weight.grad().abs().sum().item<float>(), 0);
}

}  // namespace
}  // namespace halftone
