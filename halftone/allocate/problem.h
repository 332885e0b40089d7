// The choice of one width for every site under hard limits: a multiple-choice knapsack with any
// number of constraints.
//
//   AllocationProblem problem{.sites = {...}, .limits = {150'000}};
//   const Allocation found = Registry<Solver>::get("exact").solve(problem);
//   problem.sites[0][found.chosen[0]].bits
//
// Costs are whole numbers (bits, bytes, bit operations), so that "within the limit" has no
// tolerance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "halftone/base/registry.h"

namespace halftone {

// One width that a site may take.
struct Choice {
  int bits = 8;
  double loss = 0;             // predicted, finite; any unit, less is better, summed over the sites
  std::vector<int64_t> costs;  // >= 0, one of each limit
};

struct AllocationProblem {
  // By site, each with at least one choice. The first choice is the cheapest of its site under
  // every limit.
  std::vector<std::vector<Choice>> sites;
  std::vector<int64_t> limits;
};

struct Allocation {
  std::vector<size_t> chosen;  // by site: which of its choices
  double loss = 0;             // the sum of theirs
  double bound =
      0;  // no allocation within the limits has less loss; proven, up to rounding of doubles
};

// How a problem is solved. No solver ever passes a limit. solve() takes problems of which the first
// choices fit (see is_feasible) and depends on nothing else: ties go to the earlier site.
struct Solver {
  static constexpr const char* kKind = "solver";
  std::string name;
  std::string summary;
  std::string paper;
  Allocation (*solve)(const AllocationProblem& problem);
};

// The costs of all sites together, one of each limit.
std::vector<int64_t> costs_of(const AllocationProblem& problem, const std::vector<size_t>& chosen);

double loss_of(const AllocationProblem& problem, const std::vector<size_t>& chosen);

bool is_within(const std::vector<int64_t>& costs, const std::vector<int64_t>& limits);

// Whether any allocation is within the limits: that of the first choices, which costs least.
bool is_feasible(const AllocationProblem& problem);

}  // namespace halftone
