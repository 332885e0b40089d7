// A batch of data as a network takes it.
#pragma once

#include "halftone/data/loader.h"
#include "halftone/nn/network.h"

namespace halftone {

// One tensor an input, by name.
TensorMap network_inputs(const Network& network, const Batch& batch);

}  // namespace halftone
