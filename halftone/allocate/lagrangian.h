// The Lagrangian dual of an allocation: every limit has a price, and each site chooses for itself.
//
//   L(prices) = sum_i min_j (loss_ij + prices . costs_ij) - prices . limits  <=  the least loss
//   within the limits
//
// For separable problems its maximum is the linear program's (the relaxation to convex hulls of
// losses over costs).
#pragma once

#include <vector>

#include "halftone/allocate/problem.h"

namespace halftone {

struct Prices {
  std::vector<double> per_unit;  // of each limit, >= 0
  double bound = 0;              // L at these prices
};

// What a choice costs at these prices, its loss included.
double priced(const Choice& choice, const std::vector<double>& per_unit);

// By site: the choice that costs least at these prices; the earlier one of equals, which is the
// cheaper one under the limits.
std::vector<size_t> best_choices(const AllocationProblem& problem,
                                 const std::vector<double>& per_unit);

// Prices of (about) the largest bound. One limit: by bisection, to the precision of doubles.
// Several: subgradient steps, after which the bound is still a bound but may be less than the
// largest. within: the loss of an allocation within the limits, which scales the steps.
Prices best_prices(const AllocationProblem& problem, double within);

// The choices at `prices`, raised in proportion until they fit the limits: the relaxed solution
// rounded down.
std::vector<size_t> rounded_down(const AllocationProblem& problem, const Prices& prices);

}  // namespace halftone
