// The constant weight of a Conv or Gemm, element by element with the channels that it joins,
// whatever its layout.
//
//   if (const auto weight = LayerWeight::of(graph, node))
//     for (size_t e = 0; e < weight->values.size(); ++e)
//       sum[weight->output_of(e)] += weight->values[e] * mean[weight->input_of(e)];
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

struct LayerWeight {
  std::vector<double> values;  // in the tensor's order
  size_t inputs = 0;           // channels of the layer's input: axis 1
  size_t outputs = 0;

  // nullopt where the node is no Conv (any groups) or Gemm (transB either way, transA 0) with a
  // constant float weight.
  static std::optional<LayerWeight> of(const Graph& graph, const Node& node);

  size_t output_of(size_t element) const;
  size_t input_of(size_t element) const;
  // One weight channel an input, one an output: both scale the same elements.
  bool is_depthwise() const {
    return inputs_per_group == 1 && outputs_per_group == 1 && inputs > 1;
  }

  // Layout. A group's outputs read a group's inputs alone.
  size_t inputs_per_group = 0;
  size_t outputs_per_group = 0;
  size_t kernel = 1;              // positions
  bool has_inputs_first = false;  // Gemm with transB 0
};

// What a Gemm's product and its bias are multiplied by (alpha, beta); 1 for other layers.
double share_of_product(const Node& node);
double share_of_bias(const Node& node);

}  // namespace halftone
