#include "halftone/qat/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(TrainingOptimizer, GroupsHaveTheirOwnRateAndDecay) {
  for (const std::string name : {"sgd", "adam", "adamw"}) {
    SCOPED_TRACE(name);
    const at::Tensor weight = at::ones({3}), scale = at::ones({1}), still = at::ones({1});
    TrainingOptimizer optimizer(
        {{{{"weight", weight}, {"still", still}}, 0.5}, {{{"scale", scale}}, 0, 0.01}},
        {.name = name, .learning_rate = 0.1, .momentum = 0});
    optimizer.zero_gradients();
    (weight.sum() + scale.sum() + still.sum() * 0).backward();
    optimizer.step(0.5);
    EXPECT_NEAR(1 - scale.item<float>(), 0.1 * 0.5 * 0.01, 1e-6) << "no decay, a hundredth";
    EXPECT_GT(1 - weight[0].item<float>(), 0.04);
    EXPECT_LT(still.item<float>(), 1) << "decay alone";
  }
}

TEST(TrainingOptimizer, GoesOnFromItsState) {
  at::Tensor one = at::ones({2}), other = at::ones({2});
  const OptimizerOptions options{.name = "adam", .learning_rate = 0.1};
  TrainingOptimizer first({{{{"x", one}}}}, options), second({{{{"x", other}}}}, options);
  auto step = [](TrainingOptimizer& optimizer, const at::Tensor& x) {
    optimizer.zero_gradients();
    (x * x).sum().backward();
    optimizer.step(1);
  };
  for (int i = 0; i < 3; ++i) step(first, one);
  {
    const at::NoGradGuard no_gradient;
    other.copy_(one);
  }
  second.restore(first.state());
  step(first, one);
  step(second, other);
  EXPECT_TRUE(at::equal(one, other));
}

}  // namespace
}  // namespace halftone
