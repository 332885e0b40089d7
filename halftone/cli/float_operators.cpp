#include "halftone/cli/float_operators.h"

#include <iostream>

#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"

namespace halftone::cli {

std::vector<FloatOperator> float_operators_of(const Model& quantized, const Profile& profile) {
  const Dequantized parts = dequantize(prepare(quantized));
  return place(parts.model.graph, profile, parts.float_sites()).float_operators;
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
