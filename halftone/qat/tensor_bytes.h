// Named tensors as bytes, for checkpoints: exact, memory order and all.
#pragma once

#include <string>

#include "halftone/nn/network.h"

namespace halftone {

std::string to_bytes(const TensorMap& tensors);
// Throws Error where the bytes are not what to_bytes() gave.
TensorMap tensors_from(const std::string& bytes);

// Bytes as a tensor, to lie among others.
at::Tensor bytes_tensor(const std::string& bytes);
std::string tensor_bytes(const at::Tensor& tensor);

}  // namespace halftone
