#include <algorithm>

#include "halftone/allocate/greedy.h"
#include "halftone/allocate/lagrangian.h"

namespace halftone {
namespace {

// The linear program over shares of choices, a continuous knapsack: at its optimum at most one site
// lies between two of its widths. Rounded as the authors do it, to the combination whose size is
// closest from below, and no further.
Allocation solve_linear_program(const AllocationProblem& problem) {
  if (problem.limits.size() != 1)
    throw UsageError("the linear program takes one budget, and ", problem.limits.size(),
                     " are given; take --solver dual or exact");
  const double start =
      loss_of(problem, topped_up(problem, std::vector<size_t>(problem.sites.size())));
  const Prices prices = best_prices(problem, start);
  Allocation found{.chosen = rounded_down(problem, prices)};
  // What is as good at a price that is lower by nothing: the sites that the rest of the limit goes
  // to, one after another.
  const auto above = best_choices(problem, {prices.per_unit[0] * (1 - 1e-9)});
  int64_t left = problem.limits[0] - costs_of(problem, found.chosen)[0];
  for (size_t i = 0; i < found.chosen.size(); ++i) {
    const auto& site = problem.sites[i];
    const size_t first = found.chosen[i];
    for (size_t j = first + 1; j <= above[i]; ++j) {
      const bool fits = site[j].costs[0] - site[first].costs[0] <= left;
      if (fits && site[j].loss < site[found.chosen[i]].loss) found.chosen[i] = j;
    }
    left -= site[found.chosen[i]].costs[0] - site[first].costs[0];
  }
  found.loss = loss_of(problem, found.chosen);
  found.bound = std::min(found.loss, prices.bound);
  return found;
}

HALFTONE_REGISTER(Solver, "linear",
                  "OMPQ's linear program over one budget; its one width between two rounded down",
                  "Ma et al. 2021, arXiv 2109.07865", solve_linear_program);

}  // namespace
}  // namespace halftone
