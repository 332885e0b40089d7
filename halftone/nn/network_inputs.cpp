#include "halftone/nn/network_inputs.h"

#include "halftone/nn/tensors.h"

namespace halftone {

TensorMap network_inputs(const Network& network, const Batch& batch) {
  TensorMap inputs;
  const auto fed = network.graph().fed_inputs();
  for (size_t i = 0; i < fed.size() && i < batch.inputs.size(); ++i)
    inputs[fed[i].name] = to_torch(batch.inputs[i]);
  return inputs;
}

}  // namespace halftone
