// Tensor (graph) to at::Tensor and back.
#pragma once

#include <ATen/core/Tensor.h>

#include "halftone/graph/tensor.h"

namespace halftone {

// Copies. The 4- and 2-bit integers become int8 and uint8. Types that LibTorch does not compute
// with (strings, float4, ...) throw Error naming the type.
at::Tensor to_torch(const Tensor& tensor);

// Copies from any device; the result is contiguous. Throws Error for a type without an ONNX
// counterpart.
Tensor from_torch(const at::Tensor& tensor);

// The tensor itself where its values lie side by side in any order of axes, else a contiguous copy.
at::Tensor dense(const at::Tensor& tensor);

at::ScalarType scalar_type_of(DType dtype);  // throws Error as to_torch
DType dtype_of(at::ScalarType type);         // throws Error as from_torch

}  // namespace halftone
