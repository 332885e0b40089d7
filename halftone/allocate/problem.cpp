#include "halftone/allocate/problem.h"

namespace halftone {

std::vector<int64_t> costs_of(const AllocationProblem& problem, const std::vector<size_t>& chosen) {
  std::vector<int64_t> total(problem.limits.size());
  for (size_t i = 0; i < chosen.size(); ++i)
    for (size_t k = 0; k < total.size(); ++k) total[k] += problem.sites[i][chosen[i]].costs[k];
  return total;
}

double loss_of(const AllocationProblem& problem, const std::vector<size_t>& chosen) {
  double total = 0;
  for (size_t i = 0; i < chosen.size(); ++i) total += problem.sites[i][chosen[i]].loss;
  return total;
}

bool is_within(const std::vector<int64_t>& costs, const std::vector<int64_t>& limits) {
  for (size_t k = 0; k < limits.size(); ++k)
    if (costs[k] > limits[k]) return false;
  return true;
}

bool is_feasible(const AllocationProblem& problem) {
  return is_within(costs_of(problem, std::vector<size_t>(problem.sites.size())), problem.limits);
}

}  // namespace halftone
