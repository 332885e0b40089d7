// A quantized constant: integer codes with their scales.
//
//   QuantTensor q = quantize_tensor(weight, params, "conv1.weight");
//   Tensor back = dequantize_tensor(q);
#pragma once

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

// Calls visit(first, count, channel) for each run of consecutive elements that lie in one channel of `axis`; one run with
// channel 0 where axis is -1. Throws Error where the axis is out of range.
template <typename Visit>
void each_channel_run(const Shape& shape, int axis, const Visit& visit) {
  const auto total = static_cast<size_t>(element_count(shape));
  if (axis < 0) return total ? visit(size_t{0}, total, size_t{0}) : void();
  if (axis >= static_cast<int>(shape.size()))
    throw Error("per-channel axis ", axis, " is out of range for shape ", to_string(shape));
  const auto inner = static_cast<size_t>(strides_of(shape)[static_cast<size_t>(axis)]);
  const auto channels = static_cast<size_t>(shape[static_cast<size_t>(axis)]);
  for (size_t first = 0; first < total; first += inner) visit(first, inner, first / inner % channels);
}

// weight: float32. One bit gives the codes -1 and 1 by sign, 1 for 0. Throws Error naming `name` where a value is not finite or the scales do not fit the shape.
QuantTensor quantize_tensor(const Tensor& weight, const QuantParams& params, std::string_view name);

// float32, same shape.
Tensor dequantize_tensor(const QuantTensor& tensor);

}  // namespace halftone
