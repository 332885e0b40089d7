#include "halftone/cli/budget_options.h"

#include <charconv>
#include <map>

#include "halftone/base/error.h"
#include "halftone/base/units.h"

namespace halftone::cli {
namespace {

// "1.5G" -> 1500000000.
int64_t parse_count(const std::string& value) {
  double number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
  const std::string unit(end, value.data() + value.size());
  const std::map<std::string, double> factors{
      {"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};
  const auto factor = factors.find(unit);
  if (code != std::errc() || factor == factors.end() || !(number > 0) ||
      number * factor->second > 1e18)
    throw UsageError("--bops ", value,
                     ": a number above 0, with k, M, G or T behind it, like 1.5G");
  return static_cast<int64_t>(number * factor->second);
}

}  // namespace

BudgetOptions::BudgetOptions(CLI::App& app, const std::string& group) {
  app.add_option("--weight-size", weight_size_,
                 "Weights with their scales and zero points, packed: 150kB")
      ->type_name("SIZE")
      ->group(group);
  app.add_option("--average-bits", average_bits_,
                 "Of weights, over the elements of all sites but fixed ones")
      ->type_name("BITS")
      ->group(group);
  app.add_option("--average-activation-bits", average_activation_bits_,
                 "Likewise of activations; left out: --activations for all")
      ->type_name("BITS")
      ->group(group);
  app.add_option("--bops", bops_, "MACs * weight bits * activation bits, of one sample: 1.5G")
      ->type_name("COUNT")
      ->group(group);
}

Budget BudgetOptions::budget() const {
  for (const auto& average : {average_bits_, average_activation_bits_})
    if (average && !(*average > 0))
      throw UsageError("an average of ", *average, " bits: give more than 0");
  Budget budget{.average_weight_bits = average_bits_,
                .average_activation_bits = average_activation_bits_};
  if (!weight_size_.empty())
    budget.weight_bytes = static_cast<int64_t>(parse_size_bytes(weight_size_));
  if (!bops_.empty()) budget.bops = parse_count(bops_);
  return budget;
}

}  // namespace halftone::cli
