#include "halftone/quant/quant_tensor.h"

#include <algorithm>
#include <cmath>

namespace halftone {

QuantTensor quantize_tensor(const Tensor& weight, const QuantParams& params, std::string_view name) {
  const auto values = weight.to_vector<float>();
  require_finite(values, name);
  if (params.is_per_channel() && (params.axis >= weight.rank() ||
                                  weight.shape()[static_cast<size_t>(params.axis)] !=
                                      static_cast<int64_t>(params.scales.size())))
    throw Error("quantizing weight '", name, "' ", to_string(weight.shape()), ": ", params.scales.size(),
                " scales do not fit axis ", params.axis);
  QuantTensor result{weight.shape(), std::vector<int32_t>(values.size()), params};
  each_channel_run(weight.shape(), params.axis, [&](size_t first, size_t count, size_t channel) {
    for (size_t i = first; i < first + count; ++i)
      result.codes[i] = params.bits == 1 ? (values[i] < 0 ? -1 : 1)
                                         : quantize(values[i], params.scales[channel], params.zero_points[channel], params.range);
  });
  return result;
}

Tensor dequantize_tensor(const QuantTensor& tensor) {
  std::vector<float> values(tensor.codes.size());
  const QuantParams& params = tensor.params;
  each_channel_run(tensor.shape, params.axis, [&](size_t first, size_t count, size_t channel) {
    for (size_t i = first; i < first + count; ++i)
      values[i] = dequantize(tensor.codes[i], params.scales[channel], params.zero_points[channel]);
  });
  return Tensor::of<float>(tensor.shape, std::move(values));
}

}  // namespace halftone
