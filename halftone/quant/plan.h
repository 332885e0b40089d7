// Which site gets which bits: a QuantPlan, as JSON that people edit by hand.
//
//   {"format": "halftone-plan", "version": 1,
//    "sites": {"conv1.weight": 8, "/Relu_output_0": {"bits": 4, "range": [0, 3.5]}, "fc.weight":
//    "float"}}
//
// A site is named after the ONNX tensor that it quantizes. Sites that a plan does not name get the
// defaults. A plan that was made for a budget carries it: "budget": {"weight_bytes": 150000,
// "average_weight_bits": 3, "outside_average": ["conv1.weight"]}.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "halftone/quant/spec.h"

namespace halftone {

// Hard limits on what a network's widths cost; allocate/budget.h says how each is counted.
struct Budget {
  std::optional<int64_t> weight_bytes = {};
  std::optional<double> average_weight_bits = {};
  std::optional<double> average_activation_bits = {};
  std::optional<int64_t> bops = {};
  std::set<std::string> outside_average = {};  // sites that the averages leave out

  bool is_empty() const {
    return !weight_bytes && !average_weight_bits && !average_activation_bits && !bops;
  }
  bool operator==(const Budget&) const = default;
};

struct QuantPlan {
  std::map<std::string, QuantSpec> sites;
  Budget budget = {};
};

// Throws Error naming `source`, the line and the site: broken JSON, unknown keys, values out of
// range.
QuantPlan parse_plan(const std::string& json, const std::string& source);

// Throws Error naming `source`, the line of `json` and the site where a site is none of `known`,
// with the nearest known name.
void require_known_sites(const QuantPlan& plan, const std::set<std::string>& known,
                         const std::string& json, const std::string& source);

// Stable text: equal plans give equal bytes.
std::string to_json(const QuantPlan& plan);

}  // namespace halftone
