#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/allocate/problem.h"
#include "halftone/base/rng.h"

namespace halftone {
namespace {

struct Shape {
  size_t most_sites = 5, most_choices = 4, most_limits = 3;
  bool is_convex = false;  // losses sensitivity * 4^-bits over costs size * bits; else of any shape
};

// Limits lie between what the first choices cost and what all cost.
AllocationProblem random_problem(Rng& rng, const Shape& shape) {
  AllocationProblem problem;
  const size_t sites = 1 + rng.below(shape.most_sites), limits = 1 + rng.below(shape.most_limits);
  for (size_t i = 0; i < sites; ++i) {
    std::vector<int64_t> size(limits);
    for (int64_t& n : size) n = 1 + static_cast<int64_t>(std::pow(10, rng.uniform() * 4));
    const double sensitivity = std::pow(10, rng.uniform() * 6 - 8);
    std::vector<Choice> site;
    int bits = 1;
    for (size_t j = 0; j < 1 + rng.below(shape.most_choices); ++j) {
      bits += shape.is_convex ? 1 : 1 + static_cast<int>(rng.below(2));
      Choice choice{
          bits, sensitivity * (shape.is_convex ? std::pow(4, -bits) : rng.uniform() / bits), {}};
      for (int64_t n : size) choice.costs.push_back(n * bits);
      site.push_back(choice);
    }
    problem.sites.push_back(site);
  }
  for (size_t k = 0; k < limits; ++k) {
    int64_t least = 0, most = 0;
    for (const auto& site : problem.sites)
      least += site.front().costs[k], most += site.back().costs[k];
    problem.limits.push_back(
        least + static_cast<int64_t>(static_cast<double>(most - least) * rng.uniform()));
  }
  return problem;
}

// All allocations, one after another; the one of least loss.
double least_loss(const AllocationProblem& problem) {
  std::vector<size_t> chosen(problem.sites.size());
  double least = INFINITY;
  while (true) {
    if (is_within(costs_of(problem, chosen), problem.limits))
      least = std::min(least, loss_of(problem, chosen));
    size_t i = 0;
    while (i < chosen.size() && ++chosen[i] == problem.sites[i].size()) chosen[i++] = 0;
    if (i == chosen.size()) return least;
  }
}

// Two solvers take one budget.
bool takes(const std::string& solver, const AllocationProblem& problem) {
  return problem.limits.size() == 1 || (solver != "projection" && solver != "linear");
}

double largest_step(const AllocationProblem& problem) {
  double largest = 0;
  for (const auto& site : problem.sites)
    for (size_t j = 0; j + 1 < site.size(); ++j)
      largest = std::max(largest, site[j].loss - site[j + 1].loss);
  return largest;
}

TEST(Solvers, AgreeWithBruteForceAndNeverPassALimit) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Rng rng(seed, "brute force");
    const AllocationProblem problem = random_problem(rng, {.is_convex = seed % 2 == 0});
    const double optimum = least_loss(problem);
    const double slack = 1e-9 * std::abs(optimum);
    for (const auto& [name, solver] : Registry<Solver>::all()) {
      // The projection has an aim of its own: projection_test.cpp.
      if (name == "projection" || !takes(name, problem)) continue;
      const Allocation found = solver.solve(problem);
      ASSERT_EQ(found.chosen.size(), problem.sites.size()) << name << ", seed " << seed;
      EXPECT_TRUE(is_within(costs_of(problem, found.chosen), problem.limits))
          << name << ", seed " << seed;
      EXPECT_EQ(found.loss, loss_of(problem, found.chosen)) << name << ", seed " << seed;
      EXPECT_LE(found.bound, optimum + slack) << name << ", seed " << seed;
      EXPECT_GE(found.loss, optimum - slack) << name << ", seed " << seed;
      if (name == "exact") {
        EXPECT_NEAR(found.loss, optimum, slack) << "seed " << seed;
        EXPECT_NEAR(found.bound, optimum, slack) << "seed " << seed;
      }
    }
  }
}

TEST(Solvers, NeverPassALimitInTenThousandProblems) {
  size_t solved = 0, broken = 0;
  for (uint64_t seed = 0; seed < 10'000; ++seed) {
    Rng rng(seed, "ten thousand");
    const AllocationProblem problem = random_problem(rng, {.is_convex = seed % 2 == 0});
    for (const auto& [name, solver] : Registry<Solver>::all()) {
      if (!takes(name, problem)) continue;
      broken += !is_within(costs_of(problem, solver.solve(problem).chosen), problem.limits);
      ++solved;
    }
  }
  EXPECT_EQ(broken, 0u) << "of " << solved;
  EXPECT_GT(solved, 30'000u);
}

TEST(Solvers, LoseAtMostOneStepUnderOneLimit) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Rng rng(seed, "one step");
    const AllocationProblem problem = random_problem(
        rng, {.most_sites = 30, .most_choices = 7, .most_limits = 1, .is_convex = true});
    for (const char* name : {"dual", "greedy", "linear"}) {
      const Allocation found = Registry<Solver>::get(name).solve(problem);
      EXPECT_LE(found.loss, found.bound + largest_step(problem) * (1 + 1e-9))
          << name << ", seed " << seed;
    }
  }
}

// Goldens of the field's arithmetic: phi 4^-bits over bits 2..8, the budgets met exactly.
TEST(Solvers, GiveTheKnownOptimum) {
  auto solved = [](const std::vector<double>& phi, const std::vector<int64_t>& sizes,
                   int64_t limit) {
    AllocationProblem problem{.sites = {}, .limits = {limit}};
    for (size_t i = 0; i < phi.size(); ++i) {
      problem.sites.emplace_back();
      for (int bits = 2; bits <= 8; ++bits)
        problem.sites[i].push_back({bits, phi[i] * std::pow(4, -bits), {sizes[i] * bits}});
    }
    return Registry<Solver>::get("exact").solve(problem).loss;
  };
  const std::vector<double> phi{1, 0.25, 4, 0.01};
  EXPECT_NEAR(solved(phi, {1, 1, 1, 1}, 12), 0.03578125, 1e-9);
  EXPECT_NEAR(solved(phi, {1, 1, 1, 1}, 16), 0.006484375, 1e-9);
  EXPECT_NEAR(solved(phi, {100, 400, 200, 1600}, 6900), 0.00190674, 1e-8);
}

TEST(Solvers, MoreRoomNeverLosesMore) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, "room");
    AllocationProblem problem =
        random_problem(rng, {.most_sites = 20, .most_choices = 7, .most_limits = 2});
    const double before = Registry<Solver>::get("exact").solve(problem).loss;
    for (int64_t& limit : problem.limits) limit += limit / 10;
    EXPECT_LE(Registry<Solver>::get("exact").solve(problem).loss, before + 1e-9 * std::abs(before))
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace halftone
