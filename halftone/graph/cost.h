// What a network costs: parameters and multiply-accumulates, by layer.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

struct LayerCost {
  std::string name;  // the node's, or its first output's
  std::string op;
  std::string weight = {};  // the weight's initializer, "" where there is none (or it is computed)
  uint64_t parameters = 0;
  uint64_t macs = 0;        // of one sample: symbolic dimensions count as 1
  double weight_bits = 0;   // of the stored weight, on average: 32 in float; 0 without a weight
  int activation_bits = 0;  // of the data input, where it is dequantized; else 32
  // Every element of a weight multiplies equally often.
  uint64_t bops() const {
    return static_cast<uint64_t>(
        std::llround(static_cast<double>(macs) * weight_bits * activation_bits));
  }
};

struct Cost {
  std::vector<LayerCost> layers;  // nodes that have parameters or multiply
  uint64_t parameters = 0;
  uint64_t macs = 0;
  uint64_t stored_bytes = 0;  // of all initializers, as they are stored
  uint64_t ideal_bytes = 0;   // the same with weights at bits / 8
};

// graph: sorted, with inferred types; quantized (QDQ) or not. The width of a quantized weight is
// that of its site in `site_bits` (by the stored tensor's name, the average of its channels), else
// the smallest that holds its codes.
Cost cost_of(const Graph& graph, const std::map<std::string, double>& site_bits = {});

// The constant behind a node's input: an initializer, or what a DequantizeLinear reads. nullptr
// where it is computed; `name` receives the initializer's name.
const Tensor* weight_behind(const Graph& graph, const std::string& input, std::string* name);

// Conv, ConvTranspose, Gemm, MatMul: operators that multiply by a weight.
bool is_weighted(const Node& node);

// Width of what an integer Clip with constant bounds lets through; 0 where `clip` is none.
int clipped_width(const Graph& graph, const Node& clip);

// The smallest width that holds the codes of an integer tensor: the type's own at 4 bits and below,
// else by the values.
int stored_width(const Tensor& codes);

}  // namespace halftone
