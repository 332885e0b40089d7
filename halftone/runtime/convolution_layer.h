// The layer of a Conv, Gemm or MatMul: a Convolution and the method that computes it.
#pragma once

#include "halftone/runtime/convolution.h"
#include "halftone/runtime/load_context.h"

namespace halftone::runtime {

// What the operators bring: geometry and integer weights. The rest follows from the node's input
// and output.
struct WeightedNode {
  Window window;
  int64_t groups = 1;
  int64_t inputs = 0, outputs = 0;
  // [outputs][taps][inputs / groups], as in the file.
  std::vector<int32_t> codes;
  QuantizedConstant weight;  // scales and zero points; axis -1 or that of the outputs
  std::string bias;          // name of the bias, "" for none
};

// Takes the node's input 0 as codes and its output as codes or float. nullptr with the reason where
// it cannot.
std::unique_ptr<Layer> make_convolution_layer(LoadContext& context, const Node& node,
                                              const WeightedNode& weighted, std::string& reason);

}  // namespace halftone::runtime
