// What has no native kernel: the operator's reference kernel on plain tensors.
#pragma once

#include <memory>

#include "halftone/runtime/layer.h"

namespace halftone::runtime {

// inputs, outputs: plain values, -1 where one is left out. The kernel allocates; its outputs are
// copied into place.
std::unique_ptr<Layer> make_float_layer(const Node& node, std::vector<int> inputs,
                                        std::vector<int> outputs, const std::string& why);

}  // namespace halftone::runtime
