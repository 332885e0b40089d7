// The options of verbs that decide bits under hard limits.
//
//   BudgetOptions budgets(app, "Budgets, one or more");
//   ...                                // the command line is read
//   const Budget budget = budgets.budget();
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "halftone/quant/plan.h"

namespace halftone::cli {

class BudgetOptions {
 public:
  BudgetOptions(CLI::App& app, const std::string& group);

  // Empty where none was given. Throws UsageError for a size or a count that is none.
  Budget budget() const;

 private:
  std::string weight_size_, bops_;
  std::optional<double> average_bits_, average_activation_bits_;
};

}  // namespace halftone::cli
