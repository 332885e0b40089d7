#include "halftone/qat/trainable.h"

#include <cstddef>
#include <vector>

namespace halftone {

std::map<std::string, bool> trainable(const Graph& graph) {
  struct Place {
    size_t input;
    bool is_weight;
  };
  const std::map<std::string, std::vector<Place>> places{
      {"Conv", {{1, true}, {2, false}}},
      {"ConvTranspose", {{1, true}, {2, false}}},
      {"Gemm", {{1, true}, {2, false}}},
      {"MatMul", {{0, true}, {1, true}}},
      {"BatchNormalization", {{1, false}, {2, false}}},
      {"PRelu", {{1, false}}},
      {"LayerNormalization", {{1, false}, {2, false}}},
      {"InstanceNormalization", {{1, false}, {2, false}}}};
  std::map<std::string, bool> names;
  for (const Node& node : graph.nodes)
    if (const auto found = places.find(node.op_type); found != places.end() && node.domain.empty())
      for (const Place& place : found->second)
        if (graph.constant(node.input(place.input)))
          names[node.input(place.input)] |= place.is_weight;
  return names;
}

}  // namespace halftone
