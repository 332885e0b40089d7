#include "network_executor.h"

#include <c10/core/InferenceMode.h>

#include "halftone/nn/network.h"
#include "halftone/nn/tensors.h"

namespace halftone {

bool network_supports(const Node& node) { return find_nn_op(node) != nullptr; }

bool network_holds(DType dtype) {
  if (bits_of(dtype) < 8) return false;
  try {
    scalar_type_of(dtype);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Tensors run_network(const Model& model, const std::map<std::string, Tensor>& inputs) {
  const c10::InferenceMode inference;
  const Network network(model.graph);
  TensorMap values;
  for (const auto& [name, tensor] : inputs) values[name] = to_torch(tensor);
  const TensorMap outputs = network.run(values);
  Tensors result;
  for (const Value& output : model.graph.outputs)
    result.push_back(from_torch(outputs.at(output.name)));
  return result;
}

}  // namespace halftone
