// Network as one of the conformance test's executors, in a file of its own so that only it includes
// LibTorch.
#pragma once

#include <map>
#include <string>

#include "halftone/graph/op.h"

namespace halftone {

bool network_supports(const Node& node);
// Whether LibTorch has tensors of that type: not of strings and of less than 8 bits.
bool network_holds(DType dtype);
// The model's outputs, in order.
Tensors run_network(const Model& model, const std::map<std::string, Tensor>& inputs);

}  // namespace halftone
