#include "halftone/allocate/allocate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/passes/separate_skips.h"
#include "halftone/ptq/site_bits.h"

namespace halftone {
namespace {

constexpr int kMostRounds = 8;

// The sites that --fix keeps in float take their operators with them; `floats` receives them all.
Placement placement_of(const Graph& graph, const Profile& profile, const AllocationChoices& choices,
                       std::set<std::string>& floats) {
  const Placement placement = place(graph, profile, {});
  const auto specs = site_specs(graph, placement, profile,
                                {.activations = choices.activations, .fixes = choices.fixes});
  std::set<std::string> asked;
  for (const auto& [site, spec] : specs)
    if (spec.is_float()) asked.insert(site);
  Placement rest = asked.empty() ? placement : place(graph, profile, asked);
  for (const Site& site : placement.sites)
    if (site.kind != SiteKind::kBias && !rest.find(site.name, site.kind)) floats.insert(site.name);
  return rest;
}

// The sites that a fix is of.
std::string pattern_of(const std::string& fix) { return fix.substr(0, fix.rfind('=')); }

// Fixes whose sites went into float with their operators match nothing any more, and have done
// their work.
AllocationChoices choices_within(const Placement& placement, AllocationChoices choices) {
  std::erase_if(choices.fixes, [&](const std::string& fix) {
    return std::ranges::none_of(placement.sites, [&](const Site& site) {
      return site.kind != SiteKind::kBias && matches(pattern_of(fix), site.name);
    });
  });
  return choices;
}

std::vector<std::map<int, double>> losses_of(const AllocationSites& sites,
                                             const Sensitivities& sensitivities) {
  std::vector<std::map<int, double>> losses(sites.sites.size());
  for (size_t i = 0; i < losses.size(); ++i)
    if (const auto found = sensitivities.find(sites.sites[i].name); found != sensitivities.end())
      losses[i] = found->second.losses;
  return losses;
}

// Decides the widths of one kind, the other's being as they are. Better or as they were.
Allocation decide(const AllocationSites& sites, SiteKind kind, const Budget& budget,
                  const std::vector<std::map<int, double>>& losses, const Solver& solver,
                  std::vector<int>& bits) {
  const std::vector<Tied> variables = variables_of(sites, kind);
  if (variables.empty()) return {};
  const AllocationProblem problem = problem_of(sites, kind, bits, budget, losses);
  const Allocation found = solver.solve(problem);
  double before = 0;
  for (const Tied& tied : variables)
    for (size_t site : tied) before += losses[site].at(bits[site]);
  if (found.loss > before) return {.chosen = {}, .loss = before, .bound = found.bound};
  for (size_t k = 0; k < variables.size(); ++k)
    for (size_t site : variables[k]) bits[site] = problem.sites[k][found.chosen[k]].bits;
  return found;
}

// Whether layers may read less than 8 bits of a value.
bool has_narrow_activations(const AllocationChoices& choices) {
  return choices.activations < 8 ||
         std::ranges::any_of(choices.activation_widths, [](int width) { return width < 8; });
}

// Weights always; activations where the budget or the user speaks of them. Skips that are not fixed
// follow of themselves from what stands beside them.
QuantPlan plan_of(const AllocationTask& task, const AllocationSites& sites,
                  const std::vector<int>& bits, const AllocateOptions& options) {
  QuantPlan plan{.sites = {}, .budget = options.budget};
  for (const std::string& site : task.floats) plan.sites[site].bits = 32;
  auto is_asked_for = [&](const std::string& site) {
    return std::ranges::any_of(options.choices.fixes, [&](const std::string& fix) {
      return matches(pattern_of(fix), site);
    });
  };
  std::set<std::string> skips;
  for (const std::string& value : separated_skips(task.model.graph)) skips.insert(skip_name(value));
  const bool has_activations = options.budget.average_activation_bits || options.budget.bops ||
                               options.choices.activations != 8;
  for (size_t i = 0; i < bits.size(); ++i) {
    const AllocationSite& site = sites.sites[i];
    if (site.kind == SiteKind::kActivation) {
      for (const std::string& name : site.sharing)
        if (is_asked_for(name) || (has_activations && !skips.contains(name)))
          plan.sites[name].bits = bits[i];
    } else if (site.channels.empty()) {
      plan.sites[site.name].bits = bits[i];
    }
  }
  for (const auto& [weight, all] : channel_bits_of(sites, bits)) {
    QuantSpec& spec = plan.sites[weight];
    spec.bits = std::ranges::max(all);
    if (std::ranges::min(all) != spec.bits) spec.channel_bits = all;
  }
  plan.budget.outside_average = outside_average(sites);
  return plan;
}

// Widths within the budget. Groups of channels are packed together, so that their bytes are known
// only when all are decided: the limit is lowered by what they take too much, and decided again.
Allocation decide_within(const AllocationSites& sites, const Budget& budget,
                         const std::vector<std::map<int, double>>& losses, const Solver& solver,
                         std::vector<int>& bits) {
  const std::vector<int> least = bits;
  Budget lowered = budget;
  for (int round = 0; round < kMostRounds; ++round) {
    bits = least;
    const auto problem = problem_of(sites, SiteKind::kWeight, bits, lowered, losses);
    if (!is_feasible(problem)) break;
    Allocation found = decide_widths(sites, lowered, losses, solver, bits);
    const BudgetUse use = use_of(sites, bits);
    if (!budget.weight_bytes || use.weight_bytes <= *budget.weight_bytes) {
      if (round > 0) found.bound = 0;  // of another limit
      return found;
    }
    *lowered.weight_bytes -= use.weight_bytes - *budget.weight_bytes;
  }
  bits = least;
  double loss = 0;
  for (const Tied& tied : variables_of(sites, SiteKind::kWeight))
    for (size_t site : tied) loss += losses[site].at(bits[site]);
  return {.chosen = {}, .loss = loss, .bound = 0};
}

struct Solution {
  std::vector<int> bits;  // by site
  Allocation weights;
  double loss = 0;  // of weights and activations
};

Solution solution_of(const AllocationSites& sites, const std::vector<std::map<int, double>>& losses,
                     const Budget& budget, const Solver& solver) {
  // Where weights and activations share one limit, those decided first would take all of it.
  const bool is_joint = budget.average_activation_bits && budget.bops;
  Solution result{is_joint ? uniform_bits(sites, budget) : least_bits(sites), {}, 0};
  result.weights = decide_within(sites, budget, losses, solver, result.bits);
  if (is_joint) result.weights.bound = 0;
  result.loss = predicted_loss(losses, result.bits);
  return result;
}

// Whole weights are among the choices of their groups, but joining groups takes bytes: the better of
// both, by the sites of `split`.
Solution better_of(Solution groups, const AllocationSites& split, const Solution& layers,
                   const AllocationSites& whole) {
  groups.weights.bound = std::min(groups.weights.bound, layers.weights.bound);
  if (groups.loss <= layers.loss) return groups;
  std::map<std::string, int> bits;
  for (size_t i = 0; i < layers.bits.size(); ++i) bits[whole.sites[i].name] = layers.bits[i];
  for (size_t i = 0; i < groups.bits.size(); ++i) {
    const AllocationSite& site = split.sites[i];
    groups.bits[i] = bits.at(site.channels.empty() ? site.name : site.weight);
  }
  groups.weights.loss = layers.weights.loss;
  groups.loss = layers.loss;
  return groups;
}

// Solvers compare losses; a network whose outputs are not finite has none.
void require_finite(const Sensitivities& sensitivities) {
  for (const auto& [name, site] : sensitivities)
    for (const auto& [bits, loss] : site.losses)
      if (!std::isfinite(loss))
        throw Error("measuring site '", name, "': the loss at ", bits, " bits is ", loss,
                    "; are the network's outputs finite on this data?");
}

}  // namespace

double predicted_loss(const std::vector<std::map<int, double>>& losses,
                      const std::vector<int>& bits) {
  double total = 0;
  for (size_t i = 0; i < bits.size(); ++i)
    if (!losses[i].empty()) total += losses[i].at(bits[i]);
  return total;
}

std::set<std::string> outside_average(const AllocationSites& sites) {
  std::set<std::string> names = sites.other_weights;
  for (const AllocationSite& site : sites.sites) {
    if (!site.is_fixed()) continue;
    names.insert(site.name);
    names.insert(site.sharing.begin(), site.sharing.end());
  }
  return names;
}

Allocation decide_widths(const AllocationSites& sites, const Budget& budget,
                         const std::vector<std::map<int, double>>& losses, const Solver& solver,
                         std::vector<int>& bits) {
  Allocation weights;
  for (int round = 0; round < kMostRounds; ++round) {
    const std::vector<int> before = bits;
    if (budget.average_activation_bits)
      decide(sites, SiteKind::kActivation, budget, losses, solver, bits);
    weights = decide(sites, SiteKind::kWeight, budget, losses, solver, bits);
    if (bits == before || !budget.average_activation_bits || !budget.bops) break;
  }
  return weights;
}

AllocationTask allocation_task(const Model& source, const std::string& target,
                               const AllocationChoices& choices, int threads) {
  const auto& profile = Registry<Profile>::get(target);
  Dequantized parts = dequantize(prepare(source));
  if (parts.quantization() != Quantization::kFloat)
    throw Error(
        "allocating bits: the model is quantized already, and what its weights were is gone; give "
        "the float model");
  AllocationTask task{std::move(parts.model), {}, {}, {}, {}};
  Graph& graph = task.model.graph;
  if (has_narrow_activations(choices))  // as the quantized network will have them
    separate_skips(graph, separable_skips(graph, place(graph, profile, {}), profile));
  task.placement = placement_of(graph, profile, choices, task.floats);
  task.sites =
      allocation_sites(graph, task.placement, profile, choices_within(task.placement, choices));
  if (choices.granularity == Granularity::kChannels)
    task.splits = channel_splits(graph, task.placement, profile, task.sites, threads);
  return task;
}

Sensitivities sensitivities_of(const AllocationTask& task, const Dataset* data,
                               const AllocateOptions& options, const Run& run) {
  const auto& method = Registry<AllocationMethod>::get(options.method);
  if (options.budget.average_activation_bits && !method.takes_activations)
    throw UsageError("--method ", method.name,
                     " allocates widths of weights alone; for --average-activation-bits take kl, "
                     "sqnr or projection");
  if (options.sensitivities)
    return parse_sensitivities(*options.sensitivities, options.sensitivities_source, method.name,
                               task.sites);
  if (method.needs_data && !data)
    throw UsageError("--method ", method.name, " looks at the network's activations: give --data");
  Sensitivities found =
      method.measure({task.model.graph, task.placement, Registry<Profile>::get(options.target),
                      task.sites, data, options.skip_broken, options.how, run});
  require_finite(found);
  return found;
}

Allocated solve(const AllocationTask& task, const Sensitivities& sensitivities,
                const AllocateOptions& options) {
  const auto& method = Registry<AllocationMethod>::get(options.method);
  const auto& solver =
      Registry<Solver>::get(options.solver.empty() ? method.solver : options.solver);
  require_feasible(task.sites, options.budget);
  const auto losses = losses_of(task.sites, sensitivities);
  const auto start = std::chrono::steady_clock::now();
  const SplitSites split = split_channels(task.sites, task.splits, losses);
  Solution best = solution_of(split.sites, split.losses, options.budget, solver);
  if (!task.splits.empty())
    best = better_of(std::move(best), split.sites,
                     solution_of(task.sites, losses, options.budget, solver), task.sites);
  Allocated result{.plan = plan_of(task, split.sites, best.bits, options),
                   .sites = split.sites,
                   .bits = best.bits,
                   .sensitivities = sensitivities,
                   .use = use_of(split.sites, best.bits),
                   .loss = best.weights.loss,
                   .bound = best.weights.bound,
                   .solver = solver.name};
  result.solve_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!is_within(result.use, options.budget))
    throw std::logic_error("the solver " + solver.name + " passed a budget");
  return result;
}

Allocated allocate(const Model& model, const Dataset* data, const AllocateOptions& options,
                   const Run& run) {
  const AllocationTask task = allocation_task(model, options.target, options.choices, run.threads);
  require_feasible(task.sites, options.budget);  // before minutes of measuring
  return solve(task, sensitivities_of(task, data, options, run), options);
}

}  // namespace halftone
