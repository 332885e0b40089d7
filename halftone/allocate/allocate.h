// Widths for every site of a network within hard limits.
//
//   const AllocateOptions options{.budget = {.average_weight_bits = 3}};
//   const Allocated found = allocate(read_model(path), data.get(), options, run);
//   write(to_json(found.plan));  // quantize and train take it
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "halftone/allocate/budget.h"
#include "halftone/allocate/channel_groups.h"
#include "halftone/allocate/method.h"
#include "halftone/base/run.h"
#include "halftone/data/dataset.h"

namespace halftone {

struct AllocateOptions {
  std::string method = "ompq";
  std::string solver = {};  // empty: the method's
  std::string target = "onnxruntime";
  AllocationChoices choices = {};
  Budget budget = {};  // outside_average is filled in
  MethodOptions how = {};
  bool skip_broken = false;
  // Measured before (allocate/method.h); `source` is for messages.
  std::optional<std::string> sensitivities = {};
  std::string sensitivities_source = {};
};

struct Allocated {
  QuantPlan plan;         // with the budget
  AllocationSites sites;  // groups of channels apart
  std::vector<int> bits;  // by site
  Sensitivities sensitivities;
  BudgetUse use;
  // Predicted, of the free weights. The optimum is not below the bound, which is 0 where activations
  // and weights share the limit of BOPs: the two are decided in turn.
  double loss = 0, bound = 0;
  std::string solver;
  double solve_seconds = 0;
};

// The network's sites and what they may take. Throws Error where the model is quantized, and as
// allocation_sites().
struct AllocationTask {
  Model model;  // float, canonical
  Placement placement;
  AllocationSites sites;
  std::set<std::string> floats;  // sites that --fix keeps in float, with their operators'
  ChannelSplits splits;          // of weights whose channels get bits in groups
};
AllocationTask allocation_task(const Model& model, const std::string& target,
                               const AllocationChoices& choices, int threads = 1);

// Fixed sites, with all that take their scales, and weights that are no sites: what averages leave
// out.
std::set<std::string> outside_average(const AllocationSites& sites);

// The losses of all sites that have one, summed. losses: by site and width.
double predicted_loss(const std::vector<std::map<int, double>>& losses,
                      const std::vector<int>& bits);

// By measurement, or from options.sensitivities.
Sensitivities sensitivities_of(const AllocationTask& task, const Dataset* data,
                               const AllocateOptions& options, const Run& run);

// Decides `bits`, by site, which must be within the budget and stay so: weights, and activations
// where their average is limited, in turns where both count in BOPs. losses: by site and width. No
// kind's loss rises. Returns what the solver found for the weights.
Allocation decide_widths(const AllocationSites& sites, const Budget& budget,
                         const std::vector<std::map<int, double>>& losses, const Solver& solver,
                         std::vector<int>& bits);

// The plan never passes options.budget. Throws Error with "smallest feasible" where nothing fits
// it.
Allocated solve(const AllocationTask& task, const Sensitivities& sensitivities,
                const AllocateOptions& options);

// All three. data: samples, labels not needed; nullptr for methods that need none.
Allocated allocate(const Model& model, const Dataset* data, const AllocateOptions& options,
                   const Run& run);

}  // namespace halftone
