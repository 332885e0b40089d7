#include "halftone/allocate/channel_groups.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "halftone/allocate/allocate.h"
#include "halftone/allocate/written_budget.h"
#include "halftone/ptq/quantize.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

AllocateOptions by_channels(Budget budget) {
  AllocateOptions options{.method = "projection", .solver = "exact", .budget = std::move(budget)};
  options.choices.granularity = Granularity::kChannels;
  return options;
}

Model quantized(const QuantPlan& plan) {
  return quantize(small_model(), RandomImages(),
                  {.method = "minmax",
                   .target = "compact",
                   .plan = plan,
                   .plan_text = to_json(plan),
                   .plan_source = "plan"},
                  {})
      .model;
}

TEST(ChannelGroups, HoldEveryChannelOnceAndAllOfTheNoise) {
  const AllocationTask task =
      allocation_task(small_model(), "onnxruntime", by_channels({}).choices);
  ASSERT_EQ(task.splits.size(), 2u);  // the first and the last layer are fixed
  for (const auto& [site, split] : task.splits) {
    std::set<int> channels;
    for (const auto& group : split.groups) channels.insert(group.begin(), group.end());
    EXPECT_EQ(channels, (std::set<int>{0, 1, 2, 3, 4, 5, 6, 7})) << site;
    EXPECT_EQ(split.groups.size(), 2u);
    for (const auto& [width, noise] : split.noise)
      EXPECT_NEAR(std::accumulate(noise.begin(), noise.end(), 0.0), 1, 1e-12);
    EXPECT_LE(split.noise.begin()->second.front(), split.noise.begin()->second.back());
  }
}

TEST(ChannelGroups, TogetherAreTheirWeight) {
  const AllocationTask task =
      allocation_task(small_model(), "onnxruntime", by_channels({}).choices);
  std::vector<std::map<int, double>> losses(task.sites.sites.size());
  for (auto& of_site : losses)
    for (int width = 2; width <= 8; ++width) of_site[width] = 1.0 / width;
  const SplitSites split = split_channels(task.sites, task.splits, losses);
  std::map<std::string, int64_t> elements;
  std::map<std::string, double> loss;
  for (size_t i = 0; i < split.losses.size(); ++i) {
    const AllocationSite& site = split.sites.sites[i];
    elements[site.weight] += site.elements;
    loss[site.weight] += split.losses[i].at(3);
  }
  EXPECT_EQ(elements.at("a.weight"), 576);
  EXPECT_NEAR(loss.at("b.weight"), 1.0 / 3, 1e-12);
  for (int bits : {3, 8}) {
    const BudgetUse whole = use_of(task.sites, std::vector<int>(task.sites.sites.size(), bits));
    const BudgetUse parts = use_of(split.sites, std::vector<int>(split.losses.size(), bits));
    EXPECT_EQ(whole.weight_bytes, parts.weight_bytes) << bits;
    EXPECT_EQ(whole.bops, parts.bops) << bits;
    EXPECT_EQ(whole.average_weight_bits, parts.average_weight_bits) << bits;
  }
}

TEST(ChannelGroups, NeverPassABudgetNorDoesTheWrittenFile) {
  size_t mixed = 0;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, "budget");
    Budget budget;
    if (seed % 2) budget.weight_bytes = 900 + static_cast<int64_t>(rng.below(700));
    if (seed % 3 == 0) budget.average_weight_bits = 2 + rng.uniform() * 5;
    if (budget.is_empty()) budget.bops = 1'200'000 + static_cast<int64_t>(rng.below(2'000'000));
    const Allocated found = allocate(small_model(), nullptr, by_channels(budget), {});
    EXPECT_TRUE(is_within(found.use, budget));
    for (const auto& [site, spec] : found.plan.sites) mixed += !spec.channel_bits.empty();
    const Model written = quantized(found.plan);
    EXPECT_NO_THROW(require_within_budget(written, found.plan.budget, "plan"));
    EXPECT_LE(weight_bytes_of(written), found.use.weight_bytes);
  }
  EXPECT_GT(mixed, 4u);
}

// Whole weights are among the choices of their groups; where joining groups takes too many bytes,
// they are what is taken.
TEST(ChannelGroups, LoseNoMoreThanWholeWeights) {
  std::vector<Budget> budgets;
  for (double bits : {2.5, 3.3, 4.0, 5.7}) budgets.push_back({.average_weight_bits = bits});
  for (int64_t bytes = 900; bytes < 1600; bytes += 50) budgets.push_back({.weight_bytes = bytes});
  for (const Budget& budget : budgets) {
    AllocateOptions options = by_channels(budget);
    const Allocated groups = allocate(small_model(), nullptr, options, {});
    options.choices.granularity = Granularity::kLayer;
    const Allocated layers = allocate(small_model(), nullptr, options, {});
    EXPECT_LE(groups.loss, layers.loss + 1e-12)
        << budget.average_weight_bits.value_or(0) << " " << budget.weight_bytes.value_or(0);
  }
}

}  // namespace
}  // namespace halftone
