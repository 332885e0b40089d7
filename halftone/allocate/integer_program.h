// The exact solution under any number of limits, by CBC's branch and cut.
#pragma once

#include "halftone/allocate/lagrangian.h"
#include "halftone/allocate/problem.h"

namespace halftone {

// The allocation of least loss, among what reduced costs leave of the choices. incumbent: within
// the limits; it stays where nothing better exists. Work is bounded by nodes, never by time, so
// that the result is the same everywhere; where the bound of nodes ends it, `bound` is less than
// `loss`.
Allocation solve_integer_program(const AllocationProblem& problem, const Prices& prices,
                                 const Allocation& incumbent);

}  // namespace halftone
