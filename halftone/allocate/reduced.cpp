#include "halftone/allocate/reduced.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

bool dominates(const Choice& a, const Choice& b) {
  return a.loss <= b.loss && is_within(a.costs, b.costs);
}

// Whether another choice does all that choice j does; the earlier one of equals stays.
bool is_dominated(const std::vector<Choice>& site, size_t j) {
  for (size_t other = 0; other < site.size(); ++other)
    if (other != j && dominates(site[other], site[j]) &&
        (other < j || !dominates(site[j], site[other])))
      return true;
  return false;
}

}  // namespace

ReducedProblem without_useless_choices(const AllocationProblem& problem, const Prices& prices,
                                       double gap) {
  ReducedProblem result{
      .problem = {.sites = {}, .limits = problem.limits}, .origin = {}, .reduced = {}};
  for (const auto& site : problem.sites) {
    double least = INFINITY, magnitude = 0;
    for (const Choice& choice : site) {
      least = std::min(least, priced(choice, prices.per_unit));
      magnitude = std::max(magnitude, std::abs(priced(choice, prices.per_unit)));
    }
    std::vector<Choice> kept;
    std::vector<size_t> origin;
    std::vector<double> reduced;
    for (size_t j = 0; j < site.size(); ++j) {
      const double cost = priced(site[j], prices.per_unit) - least;
      if (cost > gap + 1e-12 * magnitude || is_dominated(site, j)) continue;
      kept.push_back(site[j]);
      origin.push_back(j);
      reduced.push_back(cost);
    }
    result.problem.sites.push_back(std::move(kept));
    result.origin.push_back(std::move(origin));
    result.reduced.push_back(std::move(reduced));
  }
  return result;
}

}  // namespace halftone
