#include "halftone/allocate/knapsack.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

#include "halftone/allocate/reduced.h"

namespace halftone {
namespace {

constexpr size_t kMostStates = 8'000'000;  // of all sites together: 256 MB

// A partial allocation of one half of the sites, up to some site.
struct State {
  int64_t cost = 0;
  double loss = 0, reduced = 0;
  uint32_t before = 0;  // its beginning, among the states of the site before
  uint32_t choice = 0;
};

// Of the sites that a half has not reached yet, and all of the other half: the least cost, and
// their best choices at the prices.
struct Rest {
  int64_t least_cost = 0, best_cost = 0;
  double best_loss = 0;
};

struct Half {
  std::vector<size_t> sites;                             // in the order of the walk
  std::vector<std::vector<State>> layers = {{State{}}};  // the last one is of all its sites

  // Overwrites the choices of the half's first sites with those of a state.
  void write(size_t step, uint32_t state, const ReducedProblem& parts,
             std::vector<size_t>& chosen) const {
    for (; step > 0; --step) {
      const State& last = layers[step][state];
      chosen[sites[step - 1]] = parts.origin[sites[step - 1]][last.choice];
      state = last.before;
    }
  }
};

class Knapsack {
 public:
  Knapsack(const AllocationProblem& problem, const Prices& prices, const Allocation& incumbent)
      : parts_(without_useless_choices(problem, prices, incumbent.loss - prices.bound)),
        limit_(problem.limits[0]),
        bound_(prices.bound),
        best_(incumbent),
        tolerance_(1e-12 * (std::abs(incumbent.loss) + std::abs(prices.bound))) {
    split_by_closeness();
  }

  // nullopt where there are too many states.
  std::optional<Allocation> solve() {
    size_t states = 0;
    for (Half& half : halves_) {
      Rest rest = rest_before_all();
      for (size_t site : half.sites) {
        const Choice& best = choices(site)[best_of(site)];
        rest = {rest.least_cost - least_cost(site), rest.best_cost - best.costs[0],
                rest.best_loss - best.loss};
        half.layers.push_back(extended(half.layers.back(), site, rest));
        look_for_better(half, rest);
        if ((states += half.layers.back().size()) > kMostStates) return std::nullopt;
      }
    }
    join();
    return best_;
  }

 private:
  const std::vector<Choice>& choices(size_t site) const { return parts_.problem.sites[site]; }

  // The choice of a site that is best at the prices and, among equals, cheapest.
  size_t best_of(size_t site) const {
    const auto& costs = parts_.reduced[site];
    return static_cast<size_t>(std::ranges::min_element(costs) - costs.begin());
  }

  int64_t least_cost(size_t site) const {
    return std::ranges::min(choices(site), {}, [](const Choice& choice) { return choice.costs[0]; })
        .costs[0];
  }

  // Sites first whose second choice is nearly as good as the best; in turns to either half.
  void split_by_closeness() {
    std::vector<double> closest;
    for (const auto& reduced : parts_.reduced) {
      std::vector<double> sorted = reduced;
      std::ranges::sort(sorted);
      closest.push_back(sorted.size() > 1 ? sorted[1] : INFINITY);
    }
    std::vector<size_t> order(closest.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, {}, [&](size_t site) { return closest[site]; });
    for (size_t i = 0; i < order.size(); ++i) halves_[i % 2].sites.push_back(order[i]);
  }

  Rest rest_before_all() const {
    Rest rest;
    for (size_t site = 0; site < parts_.problem.sites.size(); ++site) {
      const Choice& best = choices(site)[best_of(site)];
      rest = {rest.least_cost + least_cost(site), rest.best_cost + best.costs[0],
              rest.best_loss + best.loss};
    }
    return rest;
  }

  double gap() const { return best_.loss - bound_ + tolerance_; }

  std::vector<State> extended(const std::vector<State>& before, size_t site,
                              const Rest& rest) const {
    std::vector<State> next;
    for (uint32_t s = 0; s < before.size(); ++s)
      for (uint32_t j = 0; j < choices(site).size(); ++j) {
        const Choice& choice = choices(site)[j];
        const double reduced = before[s].reduced + parts_.reduced[site][j];
        const State state{before[s].cost + choice.costs[0], before[s].loss + choice.loss, reduced,
                          s, j};
        if (reduced <= gap() && state.cost + rest.least_cost <= limit_) next.push_back(state);
      }
    std::ranges::sort(next, [](const State& a, const State& b) {
      return std::tie(a.cost, a.loss, a.before, a.choice) <
             std::tie(b.cost, b.loss, b.before, b.choice);
    });
    double least = INFINITY;  // of the cheaper states
    std::erase_if(next, [&](const State& state) {
      const bool is_dominated = state.loss >= least;
      least = std::min(least, state.loss);
      return is_dominated;
    });
    return next;
  }

  // Every state with the best choices elsewhere is an allocation.
  void look_for_better(const Half& half, const Rest& rest) {
    const auto& states = half.layers.back();
    for (uint32_t s = 0; s < states.size(); ++s) {
      if (states[s].cost + rest.best_cost > limit_ || states[s].loss + rest.best_loss >= best_.loss)
        continue;
      best_.loss = states[s].loss + rest.best_loss;
      for (size_t i = 0; i < best_.chosen.size(); ++i)
        best_.chosen[i] = parts_.origin[i][best_of(i)];
      half.write(half.layers.size() - 1, s, parts_, best_.chosen);
    }
  }

  // The best pair of states. Both lists rise in cost and fall in loss: the dearest partner that
  // fits is the best one.
  void join() {
    const auto &first = halves_[0].layers.back(), &second = halves_[1].layers.back();
    size_t partners = second.size();
    for (uint32_t s = 0; s < first.size(); ++s) {
      while (partners > 0 && first[s].cost + second[partners - 1].cost > limit_) --partners;
      if (partners == 0) return;
      const double loss = first[s].loss + second[partners - 1].loss;
      if (loss >= best_.loss) continue;
      best_.loss = loss;
      halves_[0].write(halves_[0].sites.size(), s, parts_, best_.chosen);
      halves_[1].write(halves_[1].sites.size(), static_cast<uint32_t>(partners - 1), parts_,
                       best_.chosen);
    }
  }

  const ReducedProblem parts_;
  const int64_t limit_;
  const double bound_;
  Allocation best_;
  const double tolerance_;
  std::array<Half, 2> halves_;
};

}  // namespace

std::optional<Allocation> solve_knapsack(const AllocationProblem& problem, const Prices& prices,
                                         const Allocation& incumbent) {
  auto found = Knapsack(problem, prices, incumbent).solve();
  if (found) found->loss = found->bound = loss_of(problem, found->chosen);
  return found;
}

}  // namespace halftone
