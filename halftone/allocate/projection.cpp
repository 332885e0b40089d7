#include "halftone/allocate/projection.h"

#include <algorithm>
#include <cmath>

#include "halftone/allocate/method.h"
#include "halftone/allocate/problem.h"

namespace halftone {
namespace {

constexpr int kBisections = 100;
constexpr int64_t kMostVisits = 2'000'000;

double clamped(double high, double low, double lambda, double size) {
  return std::clamp(high - lambda * size, low, high);
}

// The least lambda that `fits`, which is monotone.
template <typename Fits>
double least_lambda(double high, const Fits& fits) {
  double low = 0;
  if (fits(low)) return low;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + high) / 2;
    (fits(middle) ? high : low) = middle;
  }
  return high;
}

class DepthFirst {
 public:
  DepthFirst(const std::vector<Rounding>& sites, int64_t limit)
      : sites_(sites), limit_(limit), present_(sites.size()), best_(sites.size()) {
    below_.assign(sites.size() + 1, 0);
    above_.assign(sites.size() + 1, 0);
    for (size_t i = 0; i < sites.size(); ++i) {
      below_[i + 1] = below_[i] + sites[i].below;
      above_[i + 1] = above_[i] + std::max(sites[i].below, sites[i].above);
    }
    most_ = below_.back();
  }

  std::vector<bool> run() {
    visit(sites_.size(), 0);
    return best_;
  }

 private:
  // `open` sites, the first ones, are still to be decided; the others cost `cost`.
  void visit(size_t open, int64_t cost) {
    if (cost + below_[open] > limit_ || cost + above_[open] <= most_ || ++visits_ > kMostVisits)
      return;
    if (open == 0) {
      most_ = cost;
      best_ = present_;
      return;
    }
    const Rounding& site = sites_[open - 1];
    if (site.above != site.below) {
      present_[open - 1] = true;
      visit(open - 1, cost + site.above);
      present_[open - 1] = false;
    }
    visit(open - 1, cost + site.below);
  }

  const std::vector<Rounding>& sites_;
  const int64_t limit_;
  std::vector<bool> present_, best_;
  std::vector<int64_t> below_, above_;  // sums of the first sites
  int64_t most_ = 0, visits_ = 0;
};

// The last choice of at most `bits`.
size_t below(const std::vector<Choice>& site, double bits) {
  size_t j = 0;
  while (j + 1 < site.size() && site[j + 1].bits <= bits) ++j;
  return j;
}

Allocation solve_by_projection(const AllocationProblem& problem) {
  if (problem.limits.size() != 1)
    throw UsageError("the projection takes one budget, and ", problem.limits.size(),
                     " are given; take --solver exact");
  const int64_t limit = problem.limits[0];
  auto bits_of = [](const std::vector<Choice>& site, double lambda) {
    const double width = site.back().bits - site[0].bits,
                 size = static_cast<double>(site.back().costs[0] - site[0].costs[0]);
    return clamped(site.back().bits, site[0].bits, lambda, width > 0 ? size / width : 0);
  };
  // The line from the least to the widest choice stands for the costs between, and the rounding
  // down must fit too.
  auto fits = [&](double lambda) {
    double line = 0;
    int64_t rounded = 0;
    for (const auto& site : problem.sites) {
      const double width = std::max(1, site.back().bits - site[0].bits),
                   bits = bits_of(site, lambda);
      line += static_cast<double>(site[0].costs[0]) +
              static_cast<double>(site.back().costs[0] - site[0].costs[0]) / width *
                  (bits - site[0].bits);
      rounded += site[below(site, bits)].costs[0];
    }
    return line <= static_cast<double>(limit) && rounded <= limit;
  };
  const double lambda = least_lambda(16, fits);  // a size of at least 1 a bit
  std::vector<Rounding> roundings;
  Allocation found;
  for (const auto& site : problem.sites) {
    const double bits = bits_of(site, lambda);
    const size_t j = below(site, bits), up = j + 1 < site.size() && site[j].bits < bits ? j + 1 : j;
    found.chosen.push_back(j);
    roundings.push_back({site[j].costs[0], site[up].costs[0]});
  }
  const auto is_above = rounded_depth_first(roundings, limit);
  for (size_t i = 0; i < found.chosen.size(); ++i) found.chosen[i] += is_above[i] ? 1 : 0;
  found.loss = loss_of(problem, found.chosen);
  return found;  // the squares that the projection minimises are >= 0: no better bound is known
}

// The squared distance from the widest.
Sensitivities sizes(const MethodInput& input) {
  Sensitivities result;
  for (const AllocationSite& site : input.sites.sites) {
    if (site.is_fixed()) continue;
    result[site.name].sensitivity = 1 / static_cast<double>(std::max<int64_t>(1, site.elements));
    for (int width : site.widths)
      result[site.name].losses[width] = std::pow(site.widths.back() - width, 2) / 2;
  }
  return result;
}

HALFTONE_REGISTER(
    Solver, "projection",
    "All sites at their widest, projected onto the size: what OMPQ's released plans are", "",
    solve_by_projection);
HALFTONE_REGISTER(AllocationMethod, "projection",
                  "Fewer bits the larger the layer, no data: the baseline of OMPQ", "",
                  "projection", false, true, sizes);

}  // namespace

Projection project(const std::vector<double>& sizes, double limit, double low, double high) {
  const double smallest = *std::ranges::min_element(sizes);
  Projection result;
  result.lambda = least_lambda((high - low) / smallest, [&](double lambda) {
    double total = 0;
    for (double size : sizes) total += size * clamped(high, low, lambda, size);
    return total <= limit;
  });
  for (double size : sizes) result.bits.push_back(clamped(high, low, result.lambda, size));
  return result;
}

std::vector<bool> rounded_depth_first(const std::vector<Rounding>& sites, int64_t limit) {
  return DepthFirst(sites, limit).run();
}

}  // namespace halftone
