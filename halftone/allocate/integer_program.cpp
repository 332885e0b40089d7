#include "halftone/allocate/integer_program.h"

#include <coin/Cbc_C_Interface.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "halftone/allocate/reduced.h"

namespace halftone {
namespace {

constexpr int kMostNodes = 20'000;
// CBC's tolerances are absolute: the gap that is to be closed becomes this large.
constexpr double kScaledGap = 1e4;
// Rows likewise. With 1e6 its tolerance of 1e-7 is far below a unit of every limit that matters;
// what still passes is caught below.
constexpr double kScaledLimit = 1e6;

struct Answer {
  std::optional<std::vector<size_t>> chosen;  // nothing: nothing better than the cutoff
  bool is_proven = false;
  double bound = 0;  // where it is not
};

class Program {
 public:
  Program(const AllocationProblem& problem, double scale)
      : problem_(problem), scale_(scale), model_(Cbc_newModel(), Cbc_deleteModel) {
    Cbc_setLogLevel(model_.get(), 0);
    Cbc_setParameter(model_.get(), "log", "0");
    // CBC 2.10.8 with its integer preprocessing took a worse allocation for the optimum (one of the
    // 1,000 random problems of solvers_test.cpp).
    Cbc_setParameter(model_.get(), "preprocess", "off");
    Cbc_setAllowableGap(model_.get(), 0);
    Cbc_setAllowableFractionGap(model_.get(), 0);
    Cbc_setMaximumNodes(model_.get(), kMostNodes);
    for (const auto& site : problem.sites) {
      first_.push_back(Cbc_getNumCols(model_.get()));
      for (const Choice& choice : site)
        Cbc_addCol(model_.get(), "", 0, 1, scale * (choice.loss - site[0].loss), 1, 0, nullptr,
                   nullptr);
    }
    add_rows();
  }

  Answer solve(double cutoff, const std::vector<int64_t>& limits) {
    const auto sites = static_cast<int>(problem_.sites.size());
    for (size_t k = 0; k < limits.size(); ++k)
      Cbc_setRowUpper(model_.get(), sites + static_cast<int>(k),
                      static_cast<double>(limits[k]) * row_scale(k));
    Cbc_setCutoff(model_.get(), scale_ * (cutoff - base()));
    Cbc_solve(model_.get());
    Answer answer;
    answer.is_proven = Cbc_isProvenOptimal(model_.get()) || Cbc_isProvenInfeasible(model_.get());
    answer.bound = Cbc_getBestPossibleObjValue(model_.get()) / scale_ + base();
    const double* solution = Cbc_bestSolution(model_.get());
    if (solution && !Cbc_isProvenInfeasible(model_.get())) answer.chosen = rounded(solution);
    return answer;
  }

 private:
  void add_rows() {
    for (size_t i = 0; i < problem_.sites.size(); ++i) {
      std::vector<int> columns(problem_.sites[i].size());
      std::iota(columns.begin(), columns.end(), first_[i]);
      const std::vector<double> ones(columns.size(), 1.0);
      Cbc_addRow(model_.get(), "", static_cast<int>(columns.size()), columns.data(), ones.data(),
                 'E', 1);
    }
    for (size_t k = 0; k < problem_.limits.size(); ++k) {
      std::vector<int> columns;
      std::vector<double> costs;
      for (size_t i = 0; i < problem_.sites.size(); ++i)
        for (size_t j = 0; j < problem_.sites[i].size(); ++j) {
          columns.push_back(first_[i] + static_cast<int>(j));
          costs.push_back(static_cast<double>(problem_.sites[i][j].costs[k]) * row_scale(k));
        }
      Cbc_addRow(model_.get(), "", static_cast<int>(columns.size()), columns.data(), costs.data(),
                 'L', kScaledLimit);
    }
  }

  double row_scale(size_t k) const {
    return kScaledLimit / static_cast<double>(std::max<int64_t>(1, problem_.limits[k]));
  }

  double base() const {
    double total = 0;
    for (const auto& site : problem_.sites) total += site[0].loss;
    return total;
  }

  std::vector<size_t> rounded(const double* solution) const {
    std::vector<size_t> chosen;
    for (size_t i = 0; i < problem_.sites.size(); ++i) {
      const double* begin = solution + first_[i];
      chosen.push_back(
          static_cast<size_t>(std::max_element(begin, begin + problem_.sites[i].size()) - begin));
    }
    return chosen;
  }

  const AllocationProblem& problem_;
  const double scale_;
  std::unique_ptr<Cbc_Model, void (*)(Cbc_Model*)> model_;
  std::vector<int> first_;  // column of each site
};

}  // namespace

Allocation solve_integer_program(const AllocationProblem& problem, const Prices& prices,
                                 const Allocation& incumbent) {
  Allocation best = incumbent;
  best.bound = prices.bound;
  const double gap = incumbent.loss - prices.bound;
  if (!(gap > 1e-12 * std::abs(incumbent.loss))) {
    best.bound = best.loss;
    return best;
  }
  const ReducedProblem parts = without_useless_choices(problem, prices, gap);
  std::vector<int64_t> limits = problem.limits;
  while (true) {
    Program program(parts.problem, kScaledGap / gap);
    const Answer answer = program.solve(incumbent.loss, limits);
    if (answer.chosen) {
      std::vector<size_t> chosen = *answer.chosen;
      for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = parts.origin[i][chosen[i]];
      const auto costs = costs_of(problem, chosen);
      if (!is_within(costs, problem.limits)) {  // by CBC's tolerance: ask again for less
        for (size_t k = 0; k < limits.size(); ++k)
          limits[k] -= std::max<int64_t>(0, costs[k] - problem.limits[k]);
        continue;
      }
      if (const double loss = loss_of(problem, chosen); loss < best.loss)
        best = {std::move(chosen), loss, best.bound};
    }
    best.bound = answer.is_proven ? best.loss : std::clamp(answer.bound, best.bound, best.loss);
    return best;
  }
}

}  // namespace halftone
