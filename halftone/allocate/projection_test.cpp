#include "halftone/allocate/projection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "halftone/allocate/problem.h"

namespace halftone {
namespace {

constexpr double kMiB = 1 << 20;

// Parameters of ResNet-18's layers with their BatchNormalization, a shortcut with its block's last
// convolution.
const std::vector<int64_t> kResNet18 = {9536,   36992,   36992,   36992,   36992,   73984,
                                        156160, 147712,  147712,  295424,  623616,  590336,
                                        590336, 1180672, 2492416, 2360320, 2360320, 513000};

AllocationProblem resnet18(double limit_mib) {
  AllocationProblem problem{.sites = {},
                            .limits = {static_cast<int64_t>(limit_mib * kMiB * 8)}};  // in bits
  for (int64_t size : kResNet18) {
    problem.sites.emplace_back();
    for (int bits = 2; bits <= 4; ++bits)
      problem.sites.back().push_back({bits, std::pow(4 - bits, 2) / 2, {size * bits}});
  }
  return problem;
}

std::vector<int> plan_of(const AllocationProblem& problem) {
  std::vector<int> bits;
  const auto chosen = Registry<Solver>::get("projection").solve(problem).chosen;
  for (size_t i = 0; i < chosen.size(); ++i) bits.push_back(problem.sites[i][chosen[i]].bits);
  return bits;
}

// The six plans that OMPQ's authors released, by their size in MiB.
TEST(Projection, GivesTheReleasedPlansOfResNet18) {
  const std::map<double, std::vector<int>> released{
      {3.0, {4, 3, 4, 4, 4, 4, 4, 3, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2}},
      {3.5, {4, 3, 3, 4, 4, 4, 4, 4, 4, 4, 3, 3, 4, 3, 2, 2, 2, 3}},
      {4.0, {4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 4, 3, 2, 3, 3, 3}},
      {4.5, {4, 3, 3, 4, 4, 4, 4, 4, 4, 4, 3, 3, 4, 4, 3, 3, 3, 3}},
      {5.0, {4, 3, 3, 3, 4, 4, 4, 3, 4, 3, 4, 3, 4, 3, 3, 4, 4, 4}},
      {5.5, {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4}}};
  for (const auto& [limit, plan] : released) EXPECT_EQ(plan_of(resnet18(limit)), plan) << limit;
}

// Likewise: the stem, then each block's expansion, depthwise and projection, the last convolution
// and the classifier.
std::vector<double> mobilenet_v2() {
  struct Stage {
    int expansion, channels, blocks;
  };
  std::vector<double> sizes{3 * 32 * 9 + 64};
  int channels = 32;
  for (const Stage& stage : {Stage{1, 16, 1}, Stage{6, 24, 2}, Stage{6, 32, 3}, Stage{6, 64, 4},
                             Stage{6, 96, 3}, Stage{6, 160, 3}, Stage{6, 320, 1}})
    for (int block = 0; block < stage.blocks; ++block) {
      const int wide = channels * stage.expansion;
      if (stage.expansion > 1) sizes.push_back(channels * wide + 2 * wide);
      sizes.push_back(9 * wide + 2 * wide);
      sizes.push_back(wide * stage.channels + 2 * stage.channels);
      channels = stage.channels;
    }
  sizes.insert(sizes.end(), {320 * 1280 + 2 * 1280, 1280 * 1000 + 1000});
  return sizes;
}

// Rounded to nearest, as the authors did here: their plans may pass the limit. Of the 1.3 MiB plan
// 52 of 53 widths agree, as do all of the other three.
TEST(Projection, GivesTheReleasedPlansOfMobileNetV2) {
  auto plan = [](size_t fours, std::vector<int> rest) {
    rest.insert(rest.begin(), fours, 4);
    return rest;
  };
  const std::map<double, std::vector<int>> released{
      {0.9, plan(21, {3, 4, 3, 3, 4, 3, 3, 4, 3, 3, 4, 3, 2, 4, 2, 2,
                      4, 2, 2, 4, 2, 2, 4, 2, 2, 4, 2, 2, 4, 2, 2, 2})},
      {1.1, plan(41, {3, 3, 4, 3, 3, 4, 3, 3, 4, 2, 2, 2})},
      {1.3, plan(50, {3, 3, 2})},
      {1.5, plan(52, {3})}};
  const std::vector<double> sizes = mobilenet_v2();
  for (const auto& [limit, widths] : released) {
    ASSERT_EQ(widths.size(), sizes.size());
    const Projection found = project(sizes, limit * kMiB * 8, 2, 4);
    int same = 0;
    for (size_t i = 0; i < sizes.size(); ++i) same += std::lround(found.bits[i]) == widths[i];
    EXPECT_EQ(same, limit == 1.3 ? 52 : 53) << limit;
  }
}

TEST(Projection, MeetsTheLimitWithTheKnownLambda) {
  std::vector<double> sizes;
  for (int64_t size : kResNet18) sizes.push_back(static_cast<double>(size) / kMiB);
  for (const auto& [limit, lambda] : {std::pair{4.5, 0.466200}, {3.0, 3.324651}}) {
    const Projection found = project(sizes, limit * 8, 2, 4);
    EXPECT_NEAR(found.lambda, lambda, 1e-6);
    double total = 0;
    for (size_t i = 0; i < sizes.size(); ++i) total += sizes[i] * found.bits[i];
    EXPECT_NEAR(total / 8, limit, 1e-9);
  }
}

TEST(Projection, NeverPassesTheLimit) {
  for (double limit = 2.8; limit < 5.4; limit += 0.037) {
    const AllocationProblem problem = resnet18(limit);
    ASSERT_TRUE(is_feasible(problem));
    EXPECT_TRUE(
        is_within(costs_of(problem, Registry<Solver>::get("projection").solve(problem).chosen),
                  problem.limits))
        << limit;
  }
}

TEST(Projection, RoundsToTheLargestSumWithinTheLimit) {
  const std::vector<Rounding> sites{{3, 5}, {7, 11}, {2, 9}, {6, 7}};
  for (int64_t limit = 18; limit < 35; ++limit) {
    int64_t most = 0;
    for (unsigned set = 0; set < 16; ++set) {
      int64_t sum = 0;
      for (unsigned i = 0; i < 4; ++i) sum += set >> i & 1 ? sites[i].above : sites[i].below;
      if (sum <= limit) most = std::max(most, sum);
    }
    int64_t sum = 0;
    const auto is_above = rounded_depth_first(sites, limit);
    for (size_t i = 0; i < 4; ++i) sum += is_above[i] ? sites[i].above : sites[i].below;
    EXPECT_EQ(sum, most) << limit;
  }
}

}  // namespace
}  // namespace halftone
