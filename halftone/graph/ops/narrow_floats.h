// Overflow when numbers become float8: ONNX's Cast and QuantizeLinear have an attribute `saturate`
// for it.
#pragma once

#include <vector>

#include "halftone/graph/tensor.h"

namespace halftone {

bool is_float8(DType dtype);

// Values rounded to a float type. Too large for a float8 type: the largest finite number where
// `saturates`, else infinity or, in the types without one, NaN.
Tensor rounded_to(DType dtype, Shape shape, std::vector<double> values, bool saturates);

}  // namespace halftone
