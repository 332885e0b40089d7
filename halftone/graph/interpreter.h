// Runs a graph by the operators' reference kernels: slow and plain. The oracle of tests, and the
// executor of builds without LibTorch.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "halftone/graph/op.h"

namespace halftone {

// Throws Error naming the node and its operator where that has no reference kernel, and saying what
// has one.
void require_supported(const Node& node);

// The outputs of one node. Throws Error naming the node where its operator is not supported or its
// inputs do not fit.
Tensors evaluate_node(const Node& node, std::span<const Tensor* const> inputs);

// What evaluate_node() takes, of a node that reads constants alone: nullptr where an input is left
// out. nullopt where it reads anything else.
std::optional<std::vector<const Tensor*>> constant_inputs(const Graph& graph, const Node& node);

// The graph's outputs, in order, for `inputs` by name. Inputs with an initializer may be left out.
Tensors interpret(const Graph& graph, const std::map<std::string, Tensor>& inputs);

}  // namespace halftone
