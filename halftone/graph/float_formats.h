// The small float formats that ONNX stores, to and from double.
#pragma once

#include <cstdint>

#include "halftone/graph/dtype.h"

namespace halftone {

// The value of the bit pattern `bits` of a float type of 16 bits or fewer (float16, bfloat16, the
// float8 types, float4).
double decode_float(DType dtype, uint32_t bits);

// The bit pattern nearest to `value`, ties to even. Overflow: infinity for float16 and bfloat16;
// saturates for the float8 and float4 types, as Cast does by default. NaN where the format has one.
uint32_t encode_float(DType dtype, double value);

}  // namespace halftone
