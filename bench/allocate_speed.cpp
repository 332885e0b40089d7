// Time of solving for bits once sensitivities are there: 200 sites with 7 widths, random problems
// under one and under two budgets, with the gap to the proven bound.
//   build/release/bench/allocate_speed [PROBLEMS]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <iostream>

#include "halftone/allocate/problem.h"
#include "halftone/base/rng.h"

namespace halftone::bench {
namespace {

constexpr size_t kSites = 200;
constexpr int kLeast = 2, kMost = 8;

// Sizes over two decades, sensitivities over four; losses fall with 4^-bits, times up to 1.5 of
// noise as measured losses have it. Limits leave 20 to 60 % of the way to the widest.
AllocationProblem random_problem(uint64_t seed, size_t limits) {
  Rng rng(seed, "allocate speed");
  AllocationProblem problem{{}, std::vector<int64_t>(limits)};
  for (size_t i = 0; i < kSites; ++i) {
    std::vector<int64_t> sizes;
    for (size_t k = 0; k < limits; ++k)
      sizes.push_back(static_cast<int64_t>(std::pow(10, 3 + 2 * rng.uniform())));
    const double sensitivity = std::pow(10, 4 * rng.uniform());
    auto& site = problem.sites.emplace_back();
    for (int bits = kLeast; bits <= kMost; ++bits) {
      site.push_back({bits, sensitivity * std::pow(4, -bits) * (1 + rng.uniform() / 2), {}});
      for (int64_t size : sizes) site.back().costs.push_back(size * bits);
    }
  }
  for (size_t k = 0; k < limits; ++k) {
    int64_t least = 0, most = 0;
    for (const auto& site : problem.sites)
      least += site.front().costs[k], most += site.back().costs[k];
    problem.limits[k] = least + static_cast<int64_t>(static_cast<double>(most - least) *
                                                     (0.2 + 0.4 * rng.uniform()));
  }
  return problem;
}

void measure(const char* solver, size_t limits, size_t problems) {
  std::vector<double> seconds;
  double gap = 0;
  for (uint64_t seed = 0; seed < problems; ++seed) {
    const AllocationProblem problem = random_problem(seed, limits);
    const auto begin = std::chrono::steady_clock::now();
    const Allocation found = Registry<Solver>::get(solver).solve(problem);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    gap = std::max(gap, (found.loss - found.bound) / found.loss);
  }
  std::ranges::sort(seconds);
  std::cout << std::setw(8) << solver << ", " << limits << " budget" << (limits > 1 ? "s" : "")
            << ": median " << std::fixed << std::setprecision(4) << seconds[seconds.size() / 2]
            << " s, worst " << seconds.back() << " s of " << problems
            << "; gap to the bound at most " << std::scientific << std::setprecision(1) << gap
            << "\n";
}

int run(size_t problems) {
  for (const char* solver : {"exact", "dual", "greedy"})
    for (size_t limits : {1, 2}) measure(solver, limits, problems);
  return 0;
}

}  // namespace
}  // namespace halftone::bench

int main(int argc, char** argv) {
  return halftone::bench::run(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20);
}
