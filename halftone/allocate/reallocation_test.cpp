#include "halftone/allocate/reallocation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "halftone/base/rng.h"
#include "tests/message_of.h"

namespace halftone {
namespace {

// Layers of a weight and an activation each; widths 2 to 8.
AllocationSites random_sites(Rng& rng, size_t layers) {
  AllocationSites sites;
  for (size_t i = 0; i < layers; ++i) {
    const int at = static_cast<int>(sites.sites.size());
    const auto macs = 1000 + rng.below(1'000'000);
    for (const SiteKind kind : {SiteKind::kWeight, SiteKind::kActivation}) {
      const std::string name = text(kind == SiteKind::kWeight ? "w" : "a", i);
      sites.sites.push_back({.name = name,
                             .kind = kind,
                             .widths = {2, 3, 4, 5, 6, 7, 8},
                             .elements = static_cast<int64_t>(100 + rng.below(100'000)),
                             .macs = macs,
                             .sharing = {}});
    }
    sites.products.push_back({.weight = at, .activation = at + 1, .macs = macs});
  }
  return sites;
}

std::map<std::string, double> random_gradients(const AllocationSites& sites, Rng& rng) {
  std::map<std::string, double> result;
  for (const AllocationSite& site : sites.sites)
    result[site.name] = std::pow(10, 4 * rng.uniform());
  return result;
}

std::map<std::string, std::map<int, double>> noise_of(const AllocationSites& sites) {
  std::map<std::string, std::map<int, double>> result;
  for (const AllocationSite& site : sites.sites)
    for (int width : site.widths) result[site.name][width] = std::pow(4, -width);
  return result;
}

TEST(Reallocation, KeepsTheBudgetAtEveryStep) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed, "reallocation");
    const AllocationSites sites = random_sites(rng, 6);
    const BudgetUse least = use_of(sites, std::vector<int>(sites.sites.size(), 2));
    Budget budget{.average_weight_bits = 2 + 3 * rng.uniform()};
    if (seed % 2) budget.average_activation_bits = 2 + 3 * rng.uniform();
    if (seed % 3 == 0) budget.bops = least.bops * 4;
    Reallocation bits(sites, budget, {.interval = 5, .warm_up = 10, .last = 60, .hysteresis = 0});
    const auto noise = noise_of(sites);
    for (int64_t step = 1; step <= 80; ++step) {
      const std::vector<int> before = bits.bits();
      bits.observe(random_gradients(sites, rng));
      if (bits.is_due(step)) bits.solve(noise);
      EXPECT_TRUE(is_within(use_of(sites, bits.bits()), budget)) << "seed " << seed << " " << step;
      if (step <= 10 || step > 60) {
        EXPECT_EQ(bits.bits(), before) << step;
      }
    }
  }
}

TEST(Reallocation, GivesBitsToWhatHasGradients) {
  Rng rng(1);
  const AllocationSites sites = random_sites(rng, 4);
  Reallocation bits(sites, {.average_weight_bits = 4}, {});
  EXPECT_EQ(bits.bits(), std::vector<int>(8, 4)) << "activations follow the weights at first";
  std::map<std::string, double> gradients;
  for (const AllocationSite& site : sites.sites) gradients[site.name] = 1;
  gradients["w2"] = 1e9;
  bits.observe(gradients);
  EXPECT_FALSE(bits.solve(noise_of(sites)).empty());
  EXPECT_EQ(bits.bits()[4], 8);
}

TEST(Reallocation, AveragesAreCorrectedForTheirStart) {
  Rng rng(1);
  const AllocationSites sites = random_sites(rng, 2);
  Reallocation bits(sites, {.average_weight_bits = 4}, {.momentum = 0.9});
  std::map<std::string, double> gradients;
  for (const AllocationSite& site : sites.sites) gradients[site.name] = 3;
  for (int step = 0; step < 7; ++step) {
    bits.observe(gradients);
    for (const auto& [name, average] : bits.averages()) EXPECT_NEAR(average, 3, 1e-12) << name;
  }
}

TEST(Reallocation, APlanThatGainsLittleDoesNotReplaceAnother) {
  Rng rng(1);
  const AllocationSites sites = random_sites(rng, 6);
  Reallocation bits(sites, {.average_weight_bits = 3}, {.hysteresis = 0.9});
  bits.observe(random_gradients(sites, rng));
  bits.solve(noise_of(sites));
  const auto first = bits.bits();
  for (int step = 0; step < 20; ++step) {
    bits.observe(random_gradients(sites, rng));
    bits.solve(noise_of(sites));
  }
  EXPECT_EQ(bits.bits(), first);
}

TEST(Reallocation, GoesOnFromItsState) {
  Rng rng(3);
  const AllocationSites sites = random_sites(rng, 5);
  const Budget budget{.average_weight_bits = 3.5};
  Reallocation one(sites, budget, {}), other(sites, budget, {});
  const auto noise = noise_of(sites);
  for (int step = 0; step < 3; ++step) {
    one.observe(random_gradients(sites, rng));
    one.solve(noise);
  }
  other.restore(one.state());
  const auto gradients = random_gradients(sites, rng);
  for (Reallocation* each : {&one, &other}) {
    each->observe(gradients);
    each->solve(noise);
  }
  EXPECT_EQ(one.state(), other.state());
  auto wide = one.state();
  wide.bits.assign(wide.bits.size(), 8);
  EXPECT_THROW(other.restore(wide), Error);
}

TEST(Reallocation, AnInfeasibleBudgetIsToldBeforeTraining) {
  Rng rng(1);
  const AllocationSites sites = random_sites(rng, 2);
  const std::string message =
      message_of([&] { Reallocation(sites, {.average_weight_bits = 1.5}, {}); });
  EXPECT_NE(message.find("smallest feasible"), std::string::npos) << message;
}

}  // namespace
}  // namespace halftone
