#include "halftone/allocate/allocate.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "halftone/allocate/written_budget.h"
#include "halftone/ptq/quantize.h"
#include "tests/message_of.h"
#include "tests/small_network.h"
#include "tests/training_model.h"

namespace halftone {
namespace {

AllocateOptions projection(Budget budget) {
  return {.method = "projection", .solver = "exact", .budget = std::move(budget)};
}

Model quantized(const QuantPlan& plan, const std::string& target) {
  return quantize(small_model(), RandomImages(),
                  {.method = "minmax",
                   .target = target,
                   .plan = plan,
                   .plan_text = to_json(plan),
                   .plan_source = "plan"},
                  {})
      .model;
}

TEST(Allocate, NeverPassesABudgetNorDoesTheWrittenFile) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed, "budget");
    Budget budget;
    if (seed % 2) budget.weight_bytes = 600 + static_cast<int64_t>(rng.below(1000));
    if (seed % 3) budget.average_weight_bits = 2 + rng.uniform() * 5;
    if (seed % 5 == 0) budget.bops = 300'000 + static_cast<int64_t>(rng.below(1'000'000));
    if (budget.is_empty()) budget.weight_bytes = 1000;
    Allocated found;
    try {
      found = allocate(small_model(), nullptr, projection(budget), {});
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("smallest feasible"), std::string::npos)
          << error.what();
      continue;
    }
    EXPECT_TRUE(is_within(found.use, budget)) << "seed " << seed;
    for (const char* target : {"compact", "onnxruntime"}) {
      const Model written = quantized(found.plan, target);
      EXPECT_NO_THROW(require_within_budget(written, found.plan.budget, "plan"))
          << "seed " << seed << ", " << target;
      EXPECT_LE(weight_bytes_of(written), found.use.weight_bytes)
          << "seed " << seed << ", " << target;
    }
  }
}

TEST(Allocate, PredictsTheBytesOfEveryWidth) {
  for (int width = 1; width <= 8; ++width) {
    AllocateOptions options = projection({.average_weight_bits = 8});
    options.choices.widths = {width};
    const Allocated found = allocate(small_model(), nullptr, options, {});
    EXPECT_EQ(weight_bytes_of(quantized(found.plan, "compact")), found.use.weight_bytes) << width;
  }
}

TEST(Allocate, APlanOfAnotherNetworkIsRefusedWithTheDifference) {
  QuantPlan plan =
      allocate(small_model(), nullptr, projection({.average_weight_bits = 4}), {}).plan;
  plan.sites.erase("b.weight");
  const std::string message = message_of([&] { quantized(plan, "compact"); });
  EXPECT_NE(message.find("no bits for 1 weights of this network: 'b.weight'"), std::string::npos)
      << message;
}

TEST(Allocate, WhatStaysFloatIsPartOfThePlan) {
  AllocateOptions options = projection({.average_weight_bits = 4});
  options.choices.fixes = {"b.weight=float"};
  const Allocated found = allocate(small_model(), nullptr, options, {});
  EXPECT_TRUE(found.plan.sites.at("b.weight").is_float());
  EXPECT_NO_THROW(
      require_within_budget(quantized(found.plan, "compact"), found.plan.budget, "plan"));
}

TEST(Allocate, SitesOfABlockOrATieShareTheirBits) {
  AllocateOptions options{.method = "kl", .budget = {.average_weight_bits = 4.5}};
  const RandomImages data;
  options.choices.granularity = Granularity::kBlock;
  const Allocated blocks = allocate(small_model(), &data, options, {});
  EXPECT_EQ(blocks.plan.sites.at("a.weight").bits, blocks.plan.sites.at("b.weight").bits);
  EXPECT_EQ(variables_of(blocks.sites, SiteKind::kWeight).size(), 1u);
  options.choices.granularity = Granularity::kLayer;
  EXPECT_EQ(
      variables_of(allocate(small_model(), &data, options, {}).sites, SiteKind::kWeight).size(),
      2u);
  options.choices.ties = {"?.weight"};
  const Allocated tied = allocate(small_model(), &data, options, {});
  EXPECT_EQ(tied.bits, blocks.bits);
  options.choices.ties = {"stem.weight"};  // fixed
  EXPECT_THROW(allocate(small_model(), &data, options, {}), UsageError);
}

TEST(Allocate, AFileOverTheBudgetIsRefusedWithTheFigures) {
  Allocated found = allocate(small_model(), nullptr,
                             projection({.weight_bytes = 1000, .average_weight_bits = 4}), {});
  QuantPlan plan = found.plan;
  plan.sites["a.weight"].bits = 8;  // by hand
  plan.sites["b.weight"].bits = 8;
  const Model written = quantized(plan, "compact");
  EXPECT_THROW(require_within_budget(written, plan.budget, "plan.json"), Error);
  plan.budget.weight_bytes.reset();
  EXPECT_THROW(require_within_budget(written, plan.budget, "plan.json"), Error);
}

TEST(Allocate, AnInfeasibleBudgetNamesTheSmallestFeasibleOne) {
  const AllocationTask task = allocation_task(small_model(), "onnxruntime", {});
  std::vector<int> least;
  for (const AllocationSite& site : task.sites.sites) least.push_back(site.widths.front());
  const BudgetUse use = use_of(task.sites, least);
  EXPECT_NO_THROW(
      require_feasible(task.sites, {.weight_bytes = use.weight_bytes, .bops = use.bops}));
  const std::string message =
      message_of([&] { require_feasible(task.sites, {.weight_bytes = use.weight_bytes - 1}); });
  EXPECT_NE(message.find("smallest feasible"), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(use.weight_bytes)), std::string::npos) << message;
  EXPECT_THROW(require_feasible(task.sites, {.bops = use.bops - 1}), Error);
  EXPECT_THROW(require_feasible(task.sites, {.average_weight_bits = 1.9}), Error);
}

TEST(Allocate, KeepsFixedSitesAndTheEndsAtTheirBits) {
  AllocateOptions options = projection({.average_weight_bits = 3});
  options.choices.fixes = {"b.weight=5"};
  const Allocated found = allocate(small_model(), nullptr, options, {});
  EXPECT_EQ(found.plan.sites.at("b.weight").bits, 5);
  EXPECT_EQ(found.plan.sites.at("stem.weight").bits, 8);
  EXPECT_EQ(found.plan.sites.at("fc.weight").bits, 8);
  EXPECT_EQ(found.plan.sites.at("a.weight").bits, 3);
  EXPECT_EQ(found.use.average_weight_bits, 3);
}

TEST(Allocate, DecidesActivationsUnderTheirAverageAndBops) {
  AllocateOptions options = projection({.average_activation_bits = 4, .bops = 1'500'000});
  options.choices.activation_widths = {2, 3, 4, 5, 6, 7, 8};
  const Allocated found = allocate(small_model(), nullptr, options, {});
  EXPECT_LE(found.use.average_activation_bits, 4);
  EXPECT_LE(found.use.bops, 1'500'000);
  EXPECT_NO_THROW(
      require_within_budget(quantized(found.plan, "onnxruntime"), found.plan.budget, "plan"));
}

TEST(Allocate, FixedActivationsStandInThePlan) {
  AllocateOptions options = projection({.average_weight_bits = 4});
  options.choices.fixes = {"s=5"};
  const Allocated found = allocate(training_model(), nullptr, options, {});
  EXPECT_EQ(found.plan.sites.at("s").bits, 5);
  EXPECT_FALSE(found.plan.sites.contains("r")) << "nobody spoke of it";
}

TEST(Allocate, AnActivationBesideASkipBelongsToTheBlockThatMakesIt) {
  AllocationChoices choices;
  choices.granularity = Granularity::kBlock;
  auto group_of = [&](const std::string& name) {
    const AllocationTask task = allocation_task(training_model(), "onnxruntime", choices);
    return std::ranges::find(task.sites.sites, name, &AllocationSite::name)->group;
  };
  const std::string wide = group_of("s");
  choices.activation_widths = {2, 3, 4};  // now with a skip
  EXPECT_EQ(group_of("s"), wide);
}

TEST(Allocate, ResidualAddsKeepTheirEightBitsBesideNarrowActivations) {
  AllocationChoices choices;
  choices.activation_widths = {2, 3, 4};
  const AllocationTask task = allocation_task(training_model(), "onnxruntime", choices);
  auto site = [&](const std::string& name) {
    return std::ranges::find(task.sites.sites, name, &AllocationSite::name);
  };
  ASSERT_NE(site("s_skip"), task.sites.sites.end());
  EXPECT_EQ(site("s_skip")->widths, std::vector<int>{8});
  EXPECT_EQ(site("s")->widths, (std::vector<int>{2, 3, 4}));
  // They follow of themselves: a plan that named them would not fit --shared-skips.
  AllocateOptions options = projection({.average_activation_bits = 3});
  options.choices = choices;
  const Allocated found = allocate(training_model(), nullptr, options, {});
  EXPECT_FALSE(found.plan.sites.contains("s_skip"));
  EXPECT_TRUE(found.plan.sites.contains("s"));
  const AllocationTask wide = allocation_task(training_model(), "onnxruntime", {});
  EXPECT_TRUE(std::ranges::none_of(wide.sites.sites, [](const AllocationSite& one) {
    return one.name == "s_skip";
  })) << "with 8 bits there is nothing to separate";
}

TEST(Allocate, UnderOneLimitOfBopsNeitherKindTakesAllOfIt) {
  const AllocationTask task = [] {
    AllocationChoices choices;
    choices.activation_widths = {2, 3, 4, 5, 6, 7, 8};
    return allocation_task(small_model(), "onnxruntime", choices);
  }();
  std::vector<int> four;
  for (const AllocationSite& site : task.sites.sites)
    four.push_back(site.is_fixed() ? site.widths[0] : 4);
  AllocateOptions options = projection(
      {.average_activation_bits = 8, .bops = static_cast<int64_t>(use_of(task.sites, four).bops)});
  // Every bit halves a loss that is the same for weights and activations: 4/4 is best.
  Sensitivities sensitivities;
  for (const AllocationSite& site : task.sites.sites)
    if (!site.is_fixed())
      for (int bits : site.widths) sensitivities[site.name].losses[bits] = std::exp2(-2.0 * bits);
  const Allocated found = solve(task, sensitivities, options);
  double loss = 0, uniform = 0;
  for (size_t i = 0; i < four.size(); ++i) {
    const AllocationSite& site = found.sites.sites[i];
    if (site.is_fixed()) continue;
    loss += sensitivities.at(site.name).losses.at(found.bits[i]);
    uniform += sensitivities.at(site.name).losses.at(4);
  }
  EXPECT_LE(loss, uniform);
}

TEST(Allocate, BopsBehindAPoolCountTheBitsThatItMoves) {
  Model model = small_model();
  Graph& g = model.graph;
  g.nodes.insert(g.nodes.begin() + 4, {.name = "between",
                                       .op_type = "MaxPool",
                                       .inputs = {"ar"},
                                       .outputs = {"pooled"},
                                       .attributes = {{"kernel_shape", std::vector<int64_t>{3, 3}},
                                                      {"pads", std::vector<int64_t>{1, 1, 1, 1}}}});
  g.nodes[5].inputs[0] = "pooled";
  for (const char* target : {"onnxruntime", "openvino"}) {
    const AllocationTask task = allocation_task(model, target, {.activations = 4});
    std::vector<int> bits;
    for (const AllocationSite& site : task.sites.sites)
      bits.push_back(site.is_fixed() ? site.widths[0] : 4);
    const auto bops = static_cast<int64_t>(use_of(task.sites, bits).bops);
    const Model written =
        quantize(model, RandomImages(),
                 {.weights = 4, .activations = 4, .method = "minmax", .target = target}, {})
            .model;
    EXPECT_NO_THROW(require_within_budget(written, {.bops = bops}, "plan")) << target;
    EXPECT_THROW(require_within_budget(written, {.bops = bops - 1}, "plan"), Error) << target;
  }
}

TEST(Allocate, RefusesLossesThatAreNotFinite) {
  Model model = small_model();
  model.graph.initializers["mask"] =
      Tensor::of<float>({4}, {0, 0, 0, -std::numeric_limits<float>::infinity()});
  model.graph.nodes.push_back(
      {.name = "masked", .op_type = "Add", .inputs = {"logits", "mask"}, .outputs = {"allowed"}});
  model.graph.outputs[0].name = "allowed";
  const RandomImages data;
  const AllocateOptions options{.method = "kl", .budget = {.average_weight_bits = 4}};
  EXPECT_THROW(allocate(model, &data, options, {}), Error);
}

TEST(Allocate, SensitivitiesReadAsTheyWereWritten) {
  const AllocationTask task = allocation_task(small_model(), "onnxruntime", {});
  const RandomImages data;
  for (const char* method : {"ompq", "kl", "sqnr", "fisher", "projection"}) {
    AllocateOptions options{.method = method, .budget = {.average_weight_bits = 4}};
    const Sensitivities measured = sensitivities_of(task, &data, options, {});
    options.sensitivities = to_json(measured, method);
    const Sensitivities read = sensitivities_of(task, nullptr, options, {});
    EXPECT_EQ(solve(task, measured, options).bits, solve(task, read, options).bits) << method;
    options.sensitivities = to_json(measured, "another");
    EXPECT_THROW(sensitivities_of(task, nullptr, options, {}), Error) << method;
  }
}

TEST(Allocate, MeasuredLossesFallWithTheBits) {
  AllocationChoices choices;
  choices.activation_widths = {2, 3, 4, 5, 6, 7, 8};
  const AllocationTask task = allocation_task(small_model(), "onnxruntime", choices);
  const RandomImages data;
  for (const char* method : {"sqnr", "kl", "fisher"}) {
    const auto measured = sensitivities_of(task, &data, {.method = method}, {});
    EXPECT_GT(measured.size(), 2u);
    for (const auto& [name, site] : measured)
      EXPECT_GT(site.losses.at(2), site.losses.at(6)) << method << ", " << name;
  }
}

// Both bring LAPACK's names into one process.
TEST(Allocate, CbcSolvesAfterLibTorchHasRun) {
  at::linalg_svd(at::randn({32, 32}));
  AllocationProblem problem{.sites = {}, .limits = {40, 90}};
  for (int64_t i = 1; i <= 4; ++i) {
    problem.sites.emplace_back();
    for (int bits = 2; bits <= 8; ++bits)
      problem.sites.back().push_back(
          {bits, static_cast<double>(i) / (1 << bits), {i * bits, (5 - i) * 2 * bits}});
  }
  const Allocation found = Registry<Solver>::get("exact").solve(problem);
  EXPECT_TRUE(is_within(costs_of(problem, found.chosen), problem.limits));
  EXPECT_EQ(found.loss, found.bound);
}

}  // namespace
}  // namespace halftone
