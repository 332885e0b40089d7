#include "halftone/cli/float_operators.h"

#include <iostream>
#include <set>

#include "halftone/export/weight_only.h"

namespace halftone::cli {

std::vector<FloatOperator> float_operators_of(const Dequantized& parts, const Profile& profile) {
  const Graph& graph = parts.model.graph;
  std::set<std::string> absent;  // sites that the target would have and the file has not
  Placement placement;
  for (bool has_more = true; has_more;) {
    std::set<std::string> keep_float = parts.float_sites();
    keep_float.insert(absent.begin(), absent.end());
    placement = place(graph, profile, keep_float);
    const size_t before = absent.size();
    for (const Site& site : placement.sites)
      if (!parts.sites.contains(site.name)) absent.insert(site.name);
    has_more = absent.size() > before;
  }
  for (const auto& [weight, obstacle] : float_weights(graph, profile, placement.is_integer))
    if (!parts.sites.weights.contains(weight)) absent.insert(weight);
  place_float_weights(graph, profile, absent, placement);
  return float_operators_with_weights(graph, placement, parts.sites);
}

void fill_float_operators(const std::vector<FloatOperator>& operators,
                          nlohmann::ordered_json& facts) {
  auto& floats = facts["float_operators"] = nlohmann::ordered_json::array();
  for (const FloatOperator& op : operators)
    floats.push_back({{"node", op.node}, {"op", op.op}, {"reason", op.reason}});
}

void print_float_operators(const std::vector<FloatOperator>& operators, const std::string& said) {
  std::cout << said << ": " << operators.size() << " operators\n";
  for (const FloatOperator& op : operators)
    std::cout << "  " << op.op << " '" << op.node << "': " << op.reason << "\n";
}

}  // namespace halftone::cli
