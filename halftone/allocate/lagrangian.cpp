#include "halftone/allocate/lagrangian.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

constexpr int kBisections = 200;  // past the precision of a double
constexpr int kSubgradientSteps = 2000;

double bound_at(const AllocationProblem& problem, const std::vector<double>& per_unit,
                const std::vector<size_t>& chosen) {
  double bound = 0;
  for (size_t i = 0; i < chosen.size(); ++i) bound += priced(problem.sites[i][chosen[i]], per_unit);
  for (size_t k = 0; k < per_unit.size(); ++k)
    bound -= per_unit[k] * static_cast<double>(problem.limits[k]);
  return bound;
}

double unit_of(int64_t limit) { return 1 / static_cast<double>(std::max<int64_t>(1, limit)); }

// Prices under which every site takes a choice that costs no more than its first one.
double prohibitive(const AllocationProblem& problem) {
  double price = 1e-300;
  for (const auto& site : problem.sites)
    for (const Choice& choice : site)
      for (size_t k = 0; k < choice.costs.size(); ++k)
        if (const int64_t more = choice.costs[k] - site[0].costs[k]; more > 0)
          price = std::max(price, 2 * (site[0].loss - choice.loss) / static_cast<double>(more));
  return price;
}

// Calls accept(factor) for factors in [low, high], accept being monotone: the least that it
// accepts, `high` being one.
template <typename Accept>
double least_accepted(double low, double high, const Accept& accept) {
  if (accept(low)) return low;
  for (int i = 0; i < kBisections; ++i) {
    // Prices range over many decades: halve the exponent first.
    const double middle = low > 0 && high / low > 4 ? std::sqrt(low) * std::sqrt(high)
                          : low == 0                ? high * 1e-3
                                                    : (low + high) / 2;
    if (middle <= low || middle >= high) break;
    (accept(middle) ? high : low) = middle;
  }
  return high;
}

Prices price_of_one(const AllocationProblem& problem) {
  const double price = least_accepted(0, prohibitive(problem), [&](double candidate) {
    return is_within(costs_of(problem, best_choices(problem, {candidate})), problem.limits);
  });
  return {{price}, bound_at(problem, {price}, best_choices(problem, {price}))};
}

// Polyak's steps towards the loss of a known allocation; halved where the bound stays.
Prices prices_of_several(const AllocationProblem& problem, double within) {
  const size_t count = problem.limits.size();
  Prices best{std::vector<double>(count), 0};
  best.bound = bound_at(problem, best.per_unit, best_choices(problem, best.per_unit));
  std::vector<double> prices = best.per_unit;
  double pace = 1;
  int idle = 0;
  for (int step = 0; step < kSubgradientSteps && within > best.bound; ++step) {
    const auto chosen = best_choices(problem, prices);
    const double bound = bound_at(problem, prices, chosen);
    const bool is_better = bound > best.bound;
    if (is_better) best = {prices, bound};
    idle = is_better ? 0 : idle + 1;
    if (idle > 20) pace /= 2, idle = 0, prices = best.per_unit;
    const auto costs = costs_of(problem, chosen);
    double square = 0;
    std::vector<double> excess(
        count);  // in parts of the limit, so that bytes and bit operations weigh alike
    for (size_t k = 0; k < count; ++k) {
      excess[k] = static_cast<double>(costs[k] - problem.limits[k]) * unit_of(problem.limits[k]);
      square += excess[k] * excess[k];
    }
    if (square == 0) break;
    const double length = pace * (within - bound) / square;
    for (size_t k = 0; k < count; ++k)
      prices[k] = std::max(0.0, prices[k] + length * excess[k] * unit_of(problem.limits[k]));
  }
  return best;
}

}  // namespace

double priced(const Choice& choice, const std::vector<double>& per_unit) {
  double total = choice.loss;
  for (size_t k = 0; k < per_unit.size(); ++k)
    total += per_unit[k] * static_cast<double>(choice.costs[k]);
  return total;
}

std::vector<size_t> best_choices(const AllocationProblem& problem,
                                 const std::vector<double>& per_unit) {
  std::vector<size_t> chosen;
  for (const auto& site : problem.sites) {
    const auto best = std::ranges::min_element(
        site, {}, [&](const Choice& choice) { return priced(choice, per_unit); });
    chosen.push_back(static_cast<size_t>(best - site.begin()));
  }
  return chosen;
}

Prices best_prices(const AllocationProblem& problem, double within) {
  if (problem.limits.empty()) return {{}, bound_at(problem, {}, best_choices(problem, {}))};
  return problem.limits.size() == 1 ? price_of_one(problem) : prices_of_several(problem, within);
}

std::vector<size_t> rounded_down(const AllocationProblem& problem, const Prices& prices) {
  auto dearer = [&](double factor) {
    std::vector<double> raised = prices.per_unit;
    // A limit without a price gets one too: raising prices alone would never make room there.
    for (size_t k = 0; k < raised.size(); ++k) raised[k] += factor * unit_of(problem.limits[k]);
    return best_choices(problem, raised);
  };
  double high = prohibitive(problem);
  for (size_t k = 0; k < problem.limits.size(); ++k)
    high = std::max(high, high * static_cast<double>(problem.limits[k]));
  const double factor = least_accepted(0, high, [&](double candidate) {
    return is_within(costs_of(problem, dearer(candidate)), problem.limits);
  });
  auto chosen = dearer(factor);
  // Equal costs may hide a tie at the end of the scale; the first choices always fit.
  if (!is_within(costs_of(problem, chosen), problem.limits)) chosen.assign(problem.sites.size(), 0);
  return chosen;
}

}  // namespace halftone
