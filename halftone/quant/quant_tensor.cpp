#include "halftone/quant/quant_tensor.h"

#include <algorithm>
#include <cmath>

namespace halftone {

Shape scale_shape(const Shape& tensor, const QuantParams& params) {
  if (params.axis < 0) return {};
  if (params.axis >= static_cast<int>(tensor.size()))
    throw Error("per-channel axis ", params.axis, " is out of range for shape ", to_string(tensor));
  const int64_t size = tensor[static_cast<size_t>(params.axis)];
  if (params.block_size == 0) return {size};
  Shape shape = tensor;
  shape[static_cast<size_t>(params.axis)] =
      size / params.block_size + (size % params.block_size != 0);
  return shape;
}

QuantTensor quantize_tensor(const Tensor& weight, const QuantParams& params,
                            std::string_view name) {
  const auto values = weight.to_vector<float>();
  require_finite(values, name);
  if (params.axis >= weight.rank() || element_count(scale_shape(weight.shape(), params)) !=
                                          static_cast<int64_t>(params.scales.size()))
    throw Error("quantizing weight '", name, "' ", to_string(weight.shape()), ": ",
                params.scales.size(), " scales do not fit axis ", params.axis,
                params.block_size ? text(" in blocks of ", params.block_size) : "");
  QuantTensor result{weight.shape(), std::vector<int32_t>(values.size()), params};
  each_scale_run(weight.shape(), params, [&](size_t first, size_t count, size_t scale) {
    const Width width = params.width_at(scale);
    for (size_t i = first; i < first + count; ++i)
      result.codes[i] = width.bits == 1 ? (values[i] < 0 ? -1 : 1)
                                        : quantize(values[i], params.scales[scale],
                                                   params.zero_points[scale], width.range);
  });
  return result;
}

Tensor dequantize_tensor(const QuantTensor& tensor) {
  std::vector<float> values(tensor.codes.size());
  const QuantParams& params = tensor.params;
  each_scale_run(tensor.shape, params, [&](size_t first, size_t count, size_t scale) {
    for (size_t i = first; i < first + count; ++i)
      values[i] = dequantize(tensor.codes[i], params.scales[scale], params.zero_points[scale]);
  });
  return Tensor::of<float>(tensor.shape, std::move(values));
}

}  // namespace halftone
