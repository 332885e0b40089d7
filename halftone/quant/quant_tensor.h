// A quantized constant: integer codes with their scales.
//
//   QuantTensor q = quantize_tensor(weight, params, "conv1.weight");
//   Tensor back = dequantize_tensor(q);
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "halftone/graph/tensor.h"
#include "halftone/quant/spec.h"

namespace halftone {

struct QuantTensor {
  Shape shape;
  std::vector<int32_t> codes;  // row-major, within params.range
  QuantParams params;
};

// Shape of the scales of a tensor: [], [channels], or its own with ceil(size / block_size) at the
// axis of blocks. Throws Error where the axis is out of range.
Shape scale_shape(const Shape& tensor, const QuantParams& params);

// Calls visit(first, count, scale) for each run of consecutive elements that share the scale at
// that position. Throws Error as scale_shape().
template <typename Visit>
void each_scale_run(const Shape& shape, const QuantParams& params, const Visit& visit) {
  scale_shape(shape, params);
  const auto total = static_cast<size_t>(element_count(shape));
  if (total == 0) return;
  if (params.axis < 0) return visit(size_t{0}, total, size_t{0});
  const auto inner = static_cast<size_t>(strides_of(shape)[static_cast<size_t>(params.axis)]);
  const auto size = static_cast<size_t>(shape[static_cast<size_t>(params.axis)]);
  if (params.block_size == 0) {
    for (size_t first = 0; first < total; first += inner) visit(first, inner, first / inner % size);
    return;
  }
  const auto block = static_cast<size_t>(params.block_size);
  const size_t blocks = (size + block - 1) / block;
  const size_t step = inner == 1 ? block : 1;  // blocks of the last axis are runs
  for (size_t outer = 0; outer < total / (size * inner); ++outer)
    for (size_t k = 0; k < size; k += step)
      for (size_t i = 0; i < inner; ++i)
        visit((outer * size + k) * inner + i, std::min(step, size - k),
              (outer * blocks + k / block) * inner + i);
}

// weight: float32. One bit gives the codes -1 and 1 by sign, 1 for 0. Throws Error naming `name`
// where a value is not finite or the scales do not fit the shape.
QuantTensor quantize_tensor(const Tensor& weight, const QuantParams& params, std::string_view name);

// float32, same shape.
Tensor dequantize_tensor(const QuantTensor& tensor);

}  // namespace halftone
