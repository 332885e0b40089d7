// An allocation method: what it predicts each width of each site to cost in accuracy, and how it
// solves for the widths.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/allocate/budget.h"
#include "halftone/base/registry.h"
#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/sensitivity/orthogonality.h"

namespace halftone {

struct SiteSensitivity {
  double sensitivity = 0;        // of the site in one number: the larger, the more its bits matter;
                                 // comparable within one method
  std::map<int, double> losses;  // predicted, of each width that it may take; less is better
};
using Sensitivities = std::map<std::string, SiteSensitivity>;  // by site; fixed sites have none

enum class Utility {
  kByWidth,
  kLinear,
  kNoise
};  // by width: noise where less than 4 bits may be taken, else linear

struct MethodOptions {
  double beta = 1;  // OMPQ: how sharply importance falls with similarity
  Centring centring = Centring::kUnbiased;
  Utility utility = Utility::kByWidth;
};

struct MethodInput {
  const Graph& graph;  // float, canonical
  const Placement& placement;
  const Profile& profile;
  const AllocationSites& sites;
  const Dataset* data;  // nullptr only where the method needs none
  bool skip_broken;
  const MethodOptions& options;
  const Run& run;
};

struct AllocationMethod {
  static constexpr const char* kKind = "method";
  std::string name;
  std::string summary;
  std::string paper;
  std::string solver;  // in Registry<Solver>, unless the user asks for another
  bool needs_data = true;
  bool takes_activations = true;  // whether it also says what widths of activations cost
  Sensitivities (*measure)(const MethodInput& input);
};

// {"format": "halftone-sensitivities", "method": "ompq", "sites": {"conv1.weight": {"sensitivity":
// 0.8, "losses": {"2": 0.05, ...}}}}
std::string to_json(const Sensitivities& sensitivities, const std::string& method);

// Throws Error naming `source` where the text is no such JSON, is of another method, or lacks a
// free site or a width of `sites`.
Sensitivities parse_sensitivities(const std::string& json, const std::string& source,
                                  const std::string& method, const AllocationSites& sites);

}  // namespace halftone
