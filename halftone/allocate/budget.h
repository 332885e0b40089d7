// What widths cost, and how each limit of a Budget (quant/plan.h) is counted:
//
//   weight_bytes             codes as the compact form packs them, weight scales and zero points;
//                            no biases, no graph
//   average_weight_bits      over the elements of all weight sites but fixed ones
//   average_activation_bits  over the elements of one sample's activations, but fixed ones and
//                            those that no weighted layer reads
//   bops                     MACs * bits of the weight * bits of the activation, over all weighted
//                            layers (float counts 32)
//
// Fixed are the sites that --fix names and, as in ptq/site_bits.h, the first and last layer with
// what they read.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "halftone/allocate/problem.h"
#include "halftone/export/placement.h"
#include "halftone/graph/graph.h"
#include "halftone/quant/plan.h"

namespace halftone {

// A weight, or an activation with all that take its scale.
struct AllocationSite {
  std::string name;
  SiteKind kind = SiteKind::kWeight;
  std::vector<int> widths;           // that it may take, ascending; one where it is fixed
  int64_t elements = 0;              // of the weight; of one sample's activation
  uint64_t macs = 0;                 // that it takes part in, of one sample
  std::vector<std::string> sharing;  // activation: the names of all sites with this scale
  int64_t parameter_bytes = 0;       // weight: scales and zero points
  std::string group = {};            // free sites of one kind and group have the same bits; empty:
                                     // none
  // Where this is a group of a weight's output channels (allocate/channel_groups.h): the weight,
  // its channels here, and how many it has.
  std::string weight = {};
  std::vector<int> channels = {};
  size_t all_channels = 0;

  bool is_fixed() const { return widths.size() == 1; }
  // Weight: what it takes in the file; of a group of channels about that (use_of() is exact).
  int64_t bytes_at(int bits) const;
};

// A layer that multiplies a weight by an activation: sites by position, -1 where it is none and has
// these bits.
struct Product {
  int weight = -1, activation = -1;
  int weight_bits = 32, activation_bits = 32;
  uint64_t macs = 0;
};

struct AllocationSites {
  std::vector<AllocationSite> sites;
  std::vector<Product> products;
  int64_t other_weight_bytes = 0;  // of weights that are no sites: their operators stay in float
  std::set<std::string> other_weights;  // these
};

// What has bits of its own.
enum class Granularity {
  kLayer,     // each site
  kBlock,     // the weights of a block (graph/blocks.h), and its activations
  kChannels,  // groups of a weight's output channels (allocate/channel_groups.h)
};

struct AllocationChoices {
  std::vector<int> widths = {2, 3, 4, 5, 6, 7, 8};  // of weights, ascending, 1..8
  std::vector<int> activation_widths = {};          // of activations; empty: all keep `activations`
  int activations = 8;
  std::vector<std::string> fixes = {};  // SITE=BITS
  Granularity granularity = Granularity::kLayer;
  std::vector<std::string> ties = {};  // the sites that match one of them share their bits: * and ?
};

// Ascending and each once, as AllocationChoices has widths.
std::vector<int> sorted_widths(std::vector<int> widths);

// graph: canonical, with inferred types; `placement` is of it and `profile`. Throws UsageError for
// widths that the target cannot express and for fixes that match nothing.
AllocationSites allocation_sites(const Graph& graph, const Placement& placement,
                                 const Profile& profile, const AllocationChoices& choices);

// Bits of each output channel, by weight, of the weights that are decided in groups.
std::map<std::string, std::vector<int>> channel_bits_of(const AllocationSites& sites,
                                                        const std::vector<int>& bits);

// What a network takes of each limit, groups of channels put together as they are written.
struct BudgetUse {
  double average_weight_bits = 0, average_activation_bits = 0;  // 8 where all sites are fixed
  double all_average_weight_bits = 0;                           // fixed sites too
  int64_t weight_bytes = 0, bops = 0;
};
BudgetUse use_of(const AllocationSites& sites, const std::vector<int>& bits);

// Elements of a value for one sample: the first axis, and symbols, count as 1.
int64_t sample_elements(const Graph& graph, const std::string& value);

// Means are computed in double: one that is above its limit by less is within it.
constexpr double kMeanRounding = 1 + 1e-9;

// Whether all limits hold.
bool is_within(const BudgetUse& use, const Budget& budget);

// Every site at its least width.
std::vector<int> least_bits(const AllocationSites& sites);

// All sites one width wider where each can, as long as that fits.
std::vector<int> uniform_bits(const AllocationSites& sites, const Budget& budget);

// Throws Error with "smallest feasible" and the figure where `sites` at their least widths pass a
// limit.
void require_feasible(const AllocationSites& sites, const Budget& budget);

// Positions in `sites` of what is decided together.
using Tied = std::vector<size_t>;

// What there is to decide of a kind, in the order of the first sites; fixed sites are left out.
std::vector<Tied> variables_of(const AllocationSites& sites, SiteKind kind);

// The problem of the variables of one kind, in that order, the sites of the other kind having
// `bits`. losses: by site and width.
AllocationProblem problem_of(const AllocationSites& sites, SiteKind kind,
                             const std::vector<int>& bits, const Budget& budget,
                             const std::vector<std::map<int, double>>& losses);

}  // namespace halftone
