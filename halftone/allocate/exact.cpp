#include <algorithm>

#include "halftone/allocate/greedy.h"
#include "halftone/allocate/integer_program.h"
#include "halftone/allocate/knapsack.h"
#include "halftone/allocate/lagrangian.h"

namespace halftone {
namespace {

// The better of the two roundings: where the search for the optimum starts.
Allocation incumbent_of(const AllocationProblem& problem, Prices& prices) {
  Allocation best{.chosen = topped_up(problem, std::vector<size_t>(problem.sites.size()))};
  best.loss = loss_of(problem, best.chosen);
  prices = best_prices(problem, best.loss);
  auto other = topped_up(problem, rounded_down(problem, prices));
  if (const double loss = loss_of(problem, other); loss < best.loss)
    best = {std::move(other), loss, 0};
  best.bound = std::min(best.loss, prices.bound);
  return best;
}

Allocation solve_exactly(const AllocationProblem& problem) {
  Prices prices;
  const Allocation incumbent = incumbent_of(problem, prices);
  if (problem.limits.size() == 1)
    if (auto found = solve_knapsack(problem, prices, incumbent)) return *found;
  return solve_integer_program(problem, prices, incumbent);
}

HALFTONE_REGISTER(
    Solver, "exact",
    "The optimum: dynamic programming under one limit, CBC's branch and cut under several", "",
    solve_exactly);

}  // namespace
}  // namespace halftone
