#include "halftone/allocate/greedy.h"

#include <algorithm>

#include "halftone/allocate/lagrangian.h"

namespace halftone {
namespace {

struct Step {
  size_t site = 0, choice = 0;
  double gain = 0;  // of loss; 0: none
  double part = 0;  // of what is left of the limits
  // Without dividing: a step may be free.
  bool is_better_than(const Step& other) const {
    return other.gain == 0 || gain * other.part > other.gain * part;
  }
};

// nullopt-like (gain 0) where the choice is no gain or does not fit.
Step step_to(const AllocationProblem& problem, size_t site, size_t from, size_t to,
             const std::vector<int64_t>& left) {
  const Choice &before = problem.sites[site][from], &after = problem.sites[site][to];
  Step step{site, to, before.loss - after.loss, 0};
  if (!(step.gain > 0)) return {};
  for (size_t k = 0; k < left.size(); ++k) {
    const int64_t more = after.costs[k] - before.costs[k];
    if (more > left[k]) return {};
    if (more > 0) step.part += static_cast<double>(more) / static_cast<double>(left[k]);
  }
  return step;
}

Allocation solve_greedily(const AllocationProblem& problem) {
  Allocation found{.chosen = topped_up(problem, std::vector<size_t>(problem.sites.size()))};
  found.loss = loss_of(problem, found.chosen);
  found.bound = std::min(found.loss, best_prices(problem, found.loss).bound);
  return found;
}

HALFTONE_REGISTER(Solver, "greedy",
                  "The largest fall of predicted loss for its cost, step by step: a baseline", "",
                  solve_greedily);

}  // namespace

std::vector<size_t> topped_up(const AllocationProblem& problem, std::vector<size_t> chosen) {
  std::vector<int64_t> left = problem.limits;
  const auto used = costs_of(problem, chosen);
  for (size_t k = 0; k < left.size(); ++k) left[k] -= used[k];
  while (true) {
    Step best;
    for (size_t i = 0; i < chosen.size(); ++i)
      for (size_t j = 0; j < problem.sites[i].size(); ++j)
        if (const Step step = step_to(problem, i, chosen[i], j, left);
            step.gain > 0 && step.is_better_than(best))
          best = step;
    if (best.gain == 0) return chosen;
    for (size_t k = 0; k < left.size(); ++k)
      left[k] -= problem.sites[best.site][best.choice].costs[k] -
                 problem.sites[best.site][chosen[best.site]].costs[k];
    chosen[best.site] = best.choice;
  }
}

}  // namespace halftone
