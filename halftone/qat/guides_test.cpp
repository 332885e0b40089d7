#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "halftone/nn/network_inputs.h"
#include "halftone/qat/block_replacement.h"
#include "halftone/qat/losses.h"
#include "halftone/qat/training_network.h"
#include "tests/message_of.h"
#include "tests/training_model.h"

namespace halftone {
namespace {

// The small network and a guide over it, at `bits`.
struct Guided {
  StripedImages data;
  TrainingNetwork training;
  GuideOptions options;
  halftone::Run run;
  TensorMap inputs;
  Labels labels;

  explicit Guided(int bits, GuideOptions guiding = {})
      : training(training_model(), data, network_options(bits), {}), options(guiding) {
    const Batch batch = load_batch(data, all_samples(data), {.batch = data.size()});
    inputs = network_inputs(training.network().network(), batch);
    labels.own = at::tensor(at::ArrayRef<int64_t>(batch.labels));
    for (const auto& [name, value] : training.network().network().parameters())
      if (!training.network().network().running_statistics().contains(name)) value.requires_grad_();
  }
  static TrainingNetworkOptions network_options(int bits) {
    TrainingNetworkOptions result;
    result.quantize.weights = result.quantize.activations = bits;
    return result;
  }
  BlockReplacement block_replacement() const {
    return BlockReplacement({training.network(), training.float_graph(), options, run});
  }
  // Calls look(step) on the outputs of a run in evaluation.
  template <typename Look>
  void with_step(const BlockReplacement& guide, const Look& look, uint64_t step = 0) const {
    const TensorMap out = training.network().run(inputs, {.capture = guide.captures()});
    look(GuideStep{inputs, out, out.at("logits"), labels, step, 0, false});
  }
  at::Tensor gradient(const std::string& weight) const {
    const at::Tensor grad = training.network().network().parameters().at(weight).grad();
    return grad.defined() ? grad : at::zeros({1});
  }
};

TEST(Losses, DistillationIsZeroBetweenEqualsAndPositiveElse) {
  const at::Tensor a = at::tensor({1.0f, 2.0f, -1.0f}).view({1, 3});
  EXPECT_EQ(distillation_loss(a, a, 1).item<float>(), 0.0f);
  EXPECT_EQ(distillation_loss(a, a, 4).item<float>(), 0.0f);
  EXPECT_GT(distillation_loss(a, a * 2, 1).item<float>(), 0.0f);
}

TEST(Losses, RootMeanSquareIsOverSamples) {
  const at::Tensor a = at::zeros({2, 2}), b = at::tensor({3.0f, 4.0f, 0.0f, 0.0f}).view({2, 2});
  EXPECT_NEAR(root_mean_square_loss(a, b).item<float>(), std::sqrt(25.0 / 2), 1e-5);
}

TEST(Losses, MixedUpSamplesAreBothOfTheirClasses) {
  const at::Tensor logits = at::tensor({1.0f, 2.0f, -1.0f, 0.0f, 0.5f, 3.0f}).view({2, 3});
  const at::Tensor own = at::tensor({0, 2}, at::kLong), others = at::tensor({1, 0}, at::kLong);
  EXPECT_NEAR(label_loss(logits, {own, others, 0.7}).item<double>(),
              0.7 * label_loss(logits, {own}).item<double>() +
                  0.3 * label_loss(logits, {others}).item<double>(),
              1e-6);
}

TEST(Parts, CutWhereTheSizeFallsAndAtEveryBlock) {
  const Guided g(32);
  const auto stages = cut_into_parts(g.training.float_graph(), "stage");
  EXPECT_EQ(cuts_of(stages), (std::vector<std::string>{"r"}));
  const auto blocks = cut_into_parts(g.training.float_graph(), "residual");
  EXPECT_GT(blocks.size(), stages.size());
  const auto features = features_of(blocks, g.inputs.at("image"));
  EXPECT_TRUE(
      at::equal(features.back(), Network(g.training.float_graph()).run(g.inputs).at("logits")));
}

TEST(BlockReplacement, InFloatEveryMixedNetworkIsTheFloatNetworkBitForBit) {
  for (const std::string mix : {"prefix", "single", "suffix"})
    for (const std::string blocks : {"stage", "residual"}) {
      SCOPED_TRACE(mix + " " + blocks);
      Guided g(32, {.blocks = blocks, .mix = mix});
      BlockReplacement guide = g.block_replacement();
      std::vector<size_t> all;
      for (size_t k = 1; k < guide.part_count(); ++k) all.push_back(k);
      g.with_step(guide, [&](const GuideStep& step) {
        const auto logits = guide.mixed_logits(step, all);
        for (const auto& [k, value] : logits) EXPECT_TRUE(at::equal(value, logits.at(0))) << k;
        EXPECT_TRUE(at::equal(step.logits, logits.at(0)));
        EXPECT_EQ(guide.loss(step).item<float>(), 0.0f);
        EXPECT_EQ(logits.size(), guide.part_count());
        const double top1 =
            100 * (step.logits.argmax(1) == g.labels.own).to(at::kDouble).mean().item<double>();
        for (double mixed : guide.take_top1()) EXPECT_NEAR(mixed, top1, 1e-9);
        EXPECT_TRUE(guide.take_top1().empty());
      });
    }
}

TEST(BlockReplacement, WithEveryPartQuantizedIsTheTrainedNetwork) {
  // Behind the last cut of the prefix stand float parts; running those quantized from the same
  // feature gives the backbone.
  Guided g(3);
  BlockReplacement guide = g.block_replacement();
  const auto parts = cut_into_parts(g.training.float_graph(), "stage");
  g.with_step(guide, [&](const GuideStep& step) {
    at::Tensor value = step.outputs.at(parts[0].output);
    value = g.training.network()
                .run_part(parts[1].network, {{parts[1].input, value}}, false)
                .at(parts[1].output);
    EXPECT_TRUE(at::equal(value, step.logits));
  });
}

TEST(BlockReplacement, GradientsReachWhatStandsBeforeTheCutAndNeverThePartner) {
  struct Case {
    std::string mix;
    bool reaches_first, reaches_last;
  };
  for (const Case& c :
       {Case{"prefix", true, false}, {"single", true, false}, {"suffix", false, true}}) {
    SCOPED_TRACE(c.mix);
    Guided g(3, {.mix = c.mix});
    BlockReplacement guide = g.block_replacement();
    g.with_step(guide, [&](const GuideStep& step) {
      guide.mixed_logits(step, {1}).at(1).square().sum().backward();
    });
    EXPECT_EQ(g.gradient("a.weight").abs().sum().item<float>() > 0, c.reaches_first);
    EXPECT_EQ(g.gradient("b.weight").abs().sum().item<float>() > 0, c.reaches_last);
  }
}

TEST(BlockReplacement, PartnerAndItsStatisticsStayAsTheyAre) {
  Guided g(3, {.mix = "single"});
  BlockReplacement guide = g.block_replacement();
  const Graph& graph = g.training.float_graph();
  const at::Tensor before = Network(graph).run(g.inputs).at("logits");
  const at::Tensor mean = g.training.network().network().parameters().at("bn1.mean").clone();
  for (int i = 0; i < 5; ++i)
    g.with_step(guide, [&](const GuideStep& step) { guide.loss(step).backward(); });
  EXPECT_TRUE(at::equal(g.training.network().network().parameters().at("bn1.mean"), mean))
      << "a part that runs a second time leaves the running statistics alone";
  g.with_step(guide, [&](const GuideStep& step) {
    EXPECT_TRUE(at::equal(guide.mixed_logits(step, {}).at(0), before));
  });
}

TEST(BlockReplacement, SuffixesTogetherEqualSuffixesApart) {
  Guided g(3, {.blocks = "residual"});
  BlockReplacement guide = g.block_replacement();
  ASSERT_GT(guide.part_count(), 2u);
  g.with_step(guide, [&](const GuideStep& step) {
    std::vector<size_t> all;
    for (size_t k = 1; k < guide.part_count(); ++k) all.push_back(k);
    const auto together = guide.mixed_logits(step, all);
    for (size_t k : all)
      EXPECT_TRUE(at::allclose(together.at(k), guide.mixed_logits(step, {k}).at(k), 1e-5, 1e-6));
  });
}

TEST(BlockReplacement, DrawnNetworksAverageToAll) {
  Guided g(3, {.distillation_weight = 0, .temperature = 20, .blocks = "residual"});
  Guided drawn(
      3, {.distillation_weight = 0, .temperature = 20, .blocks = "residual", .mix_samples = 1});
  BlockReplacement all = g.block_replacement(), some = drawn.block_replacement();
  double whole = 0, mean = 0;
  const at::NoGradGuard no_gradient;
  g.with_step(all, [&](const GuideStep& step) { whole = all.loss(step).item<double>(); });
  constexpr int kDraws = 300;
  for (int i = 0; i < kDraws; ++i)
    drawn.with_step(
        some, [&](const GuideStep& step) { mean += some.loss(step).item<double>() / kDraws; },
        static_cast<uint64_t>(i));
  EXPECT_NEAR(mean, whole, 0.1 * whole);
}

TEST(BlockReplacement, WithoutMixedNetworksIsDistillation) {
  Guided g(3, {.mixed_weight = 0});
  BlockReplacement guide = g.block_replacement();
  const auto distill = Registry<GuideKind>::get("distill").make(
      {g.training.network(), g.training.float_graph(), g.options, g.run});
  g.with_step(guide, [&](const GuideStep& step) {
    EXPECT_NEAR(guide.loss(step).item<double>(), distill->loss(step).item<double>(), 1e-6);
  });
}

TEST(BlockReplacement, RefusesAnUnknownMix) {
  Guided g(3, {.mix = "none"});
  EXPECT_NE(message_of([&] { g.block_replacement(); }).find("prefix"), std::string::npos);
}

}  // namespace
}  // namespace halftone
