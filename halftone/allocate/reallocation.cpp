#include "halftone/allocate/reallocation.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "halftone/allocate/allocate.h"

namespace halftone {
namespace {

using Losses = std::vector<std::map<int, double>>;

void require_sound(const ReallocationOptions& options) {
  if (options.interval < 1) throw UsageError("bits are decided every 1 step or more");
  if (!(options.momentum >= 0 && options.momentum < 1))
    throw UsageError("a momentum of ", options.momentum, ": give 0 to below 1");
  if (!(options.hysteresis >= 0 && options.hysteresis < 1))
    throw UsageError("a hysteresis of ", options.hysteresis, ": give 0 to below 1");
}

}  // namespace

Reallocation::Reallocation(AllocationSites sites, Budget budget, ReallocationOptions options)
    : sites_(std::move(sites)), budget_(std::move(budget)), options_(std::move(options)) {
  require_sound(options_);
  Registry<Solver>::get(options_.solver);
  require_feasible(sites_, budget_);
  bits_ = uniform_bits(sites_, budget_);
}

void Reallocation::observe(const std::map<std::string, double>& squared_gradients) {
  for (const AllocationSite& site : sites_.sites) {
    if (site.is_fixed()) continue;
    const double value = squared_gradients.at(site.name);
    if (!std::isfinite(value) || value < 0)
      throw Error("site '", site.name, "': a mean squared gradient of ", value,
                  "; training diverged: lower the learning rate");
    double& sum = sums_[site.name];
    sum = options_.momentum * sum + (1 - options_.momentum) * value;
  }
  ++observed_;
}

bool Reallocation::is_due(int64_t step) const {
  return step > options_.warm_up && step <= options_.last && step % options_.interval == 0;
}

std::map<std::string, double> Reallocation::averages() const {
  std::map<std::string, double> result = sums_;
  const double seen = 1 - std::pow(options_.momentum, static_cast<double>(observed_));
  for (auto& [name, sum] : result) sum /= seen;
  return result;
}

std::vector<size_t> Reallocation::solve(const std::map<std::string, std::map<int, double>>& noise) {
  if (observed_ == 0) throw std::logic_error("Reallocation::solve() before observe()");
  const auto fisher = averages();
  Losses losses(sites_.sites.size());
  for (size_t i = 0; i < losses.size(); ++i) {
    const AllocationSite& site = sites_.sites[i];
    if (site.is_fixed()) continue;
    for (int width : site.widths)
      losses[i][width] = fisher.at(site.name) * noise.at(site.name).at(width) / 2;
  }
  std::vector<int> next = bits_;
  decide_widths(sites_, budget_, losses, Registry<Solver>::get(options_.solver), next);
  const bool is_better =
      predicted_loss(losses, next) < (1 - options_.hysteresis) * predicted_loss(losses, bits_);
  std::vector<size_t> changed;
  if (is_solved_ && !is_better) return changed;
  is_solved_ = true;
  for (size_t i = 0; i < next.size(); ++i)
    if (next[i] != bits_[i]) changed.push_back(i);
  bits_ = std::move(next);
  return changed;
}

void Reallocation::restore(State state) {
  bool fits = state.bits.size() == sites_.sites.size();
  for (size_t i = 0; fits && i < state.bits.size(); ++i)
    fits = std::ranges::find(sites_.sites[i].widths, state.bits[i]) != sites_.sites[i].widths.end();
  for (const auto& [name, sum] : state.sums)
    fits = fits && std::ranges::any_of(sites_.sites, [&](const AllocationSite& site) {
             return site.name == name && !site.is_fixed();
           });
  if (!fits || !is_within(use_of(sites_, state.bits), budget_))
    throw Error("the kept bits are of other sites, widths or budgets than this run's");
  bits_ = std::move(state.bits);
  sums_ = std::move(state.sums);
  observed_ = state.observed;
  is_solved_ = state.is_solved;
}

}  // namespace halftone
