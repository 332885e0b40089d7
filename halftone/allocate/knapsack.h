// The exact solution under one limit, by dynamic programming.
#pragma once

#include <optional>

#include "halftone/allocate/lagrangian.h"
#include "halftone/allocate/problem.h"

namespace halftone {

// The allocation of least loss. Half of the sites at a time (Horowitz and Sahni 1974): states are
// the undominated pairs of cost and loss of the sites so far, those with the closest choices first;
// a state ends where its reduced cost passes the gap between the best known allocation and the
// bound (Pisinger 1995, "A minimal algorithm for the multiple-choice knapsack problem"). incumbent:
// within the limit. nullopt where that takes too many states to keep.
std::optional<Allocation> solve_knapsack(const AllocationProblem& problem, const Prices& prices,
                                         const Allocation& incumbent);

}  // namespace halftone
