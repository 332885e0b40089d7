#include <algorithm>

#include "halftone/allocate/greedy.h"
#include "halftone/allocate/lagrangian.h"

namespace halftone {
namespace {

// The relaxed problem in the dual, rounded down, which fits, and topped up. One limit and losses
// that are convex over costs: at most one step above the bound.
Allocation solve_in_the_dual(const AllocationProblem& problem) {
  const double start =
      loss_of(problem, topped_up(problem, std::vector<size_t>(problem.sites.size())));
  const Prices prices = best_prices(problem, start);
  Allocation found{.chosen = topped_up(problem, rounded_down(problem, prices))};
  found.loss = loss_of(problem, found.chosen);
  found.bound = std::min(found.loss, prices.bound);
  return found;
}

HALFTONE_REGISTER(
    Solver, "dual",
    "The relaxed problem in its dual, rounded down and topped up; for linear losses OMPQ's program",
    "Peters et al. 2023 (QBitOpt), arXiv 2307.04535", solve_in_the_dual);

}  // namespace
}  // namespace halftone
