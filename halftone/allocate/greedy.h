// Widening site by site, as long as anything fits.
#pragma once

#include <vector>

#include "halftone/allocate/problem.h"

namespace halftone {

// Gives the site and width with the largest fall of loss for its part of what is left of the
// limits, until no width with less loss fits. chosen: within the limits.
std::vector<size_t> topped_up(const AllocationProblem& problem, std::vector<size_t> chosen);

}  // namespace halftone
