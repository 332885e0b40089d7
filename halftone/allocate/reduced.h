// A problem with the choices left out that no better allocation can hold.
#pragma once

#include <vector>

#include "halftone/allocate/lagrangian.h"
#include "halftone/allocate/problem.h"

namespace halftone {

struct ReducedProblem {
  AllocationProblem problem;                 // the same sites with fewer choices
  std::vector<std::vector<size_t>> origin;   // by site and choice: its index in the whole problem
  std::vector<std::vector<double>> reduced;  // by site and choice: how much more it costs at the
                                             // prices than the site's best, >= 0
};

// Leaves out choices of which the reduced cost is above `gap` (an incumbent's loss less the bound
// at `prices`): every allocation that holds one has more loss than the incumbent. Also what costs
// no less and loses no less than another choice of its site.
ReducedProblem without_useless_choices(const AllocationProblem& problem, const Prices& prices,
                                       double gap);

}  // namespace halftone
