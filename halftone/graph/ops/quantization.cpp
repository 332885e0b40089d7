#include "halftone/graph/ops/quantization.h"

#include <algorithm>
#include <cmath>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

// One scale per `block_size` elements along the axis; the last block may be shorter.
std::vector<int64_t> block_scales(const Tensor& x, const Shape& scale, size_t axis,
                                  int64_t block_size) {
  Shape expected = x.shape();
  block_size = std::min(block_size, std::max<int64_t>(1, expected[axis]));
  expected[axis] = (expected[axis] + block_size - 1) / block_size;
  if (scale != expected)
    throw Error("the scale has shape ", to_string(scale), ", but blocks of ", block_size,
                " along axis ", axis, " of ", to_string(x.shape()), " need ", to_string(expected));
  const std::vector<int64_t> strides = strides_of(scale);
  std::vector<int64_t> result(static_cast<size_t>(x.count()));
  std::vector<int64_t> coordinate(x.shape().size(), 0);
  for (int64_t& at : result) {
    for (size_t i = 0; i < coordinate.size(); ++i)
      at += (i == axis ? coordinate[i] / block_size : coordinate[i]) * strides[i];
    advance(coordinate, x.shape());
  }
  return result;
}

std::vector<int64_t> scale_positions(const Tensor& x, const Shape& scale, int64_t axis,
                                     int64_t block_size) {
  if (element_count(scale) == 1 && block_size == 0)
    return std::vector<int64_t>(static_cast<size_t>(x.count()), 0);
  const size_t at = normalized_axis(axis, x.rank());
  if (block_size < 0) throw Error("block_size is ", block_size);
  if (block_size > 0) return block_scales(x, scale, at, block_size);
  if (scale.size() != 1 || scale[0] != x.shape()[at])
    throw Error("the scale has shape ", to_string(scale), ", but axis ", axis, " of ",
                to_string(x.shape()), " needs [", x.shape()[at], "]");
  std::vector<int64_t> strides(x.shape().size(), 0);
  strides[at] = 1;
  return strided_indices(x.shape(), strides);
}

}  // namespace

Quantization quantization_of(const Tensor& x, const Tensor& scale, const Tensor* zero_point,
                             int64_t axis, int64_t block_size) {
  Quantization result;
  result.scales = scale.to_vector<float>();
  result.scale_at = scale_positions(x, scale.shape(), axis, block_size);
  result.zero_points.assign(result.scales.size(), 0);
  if (!zero_point) return result;
  if (zero_point->count() != scale.count())
    throw Error("the zero point has shape ", to_string(zero_point->shape()), " and the scale ",
                to_string(scale.shape()));
  if (is_integer(zero_point->dtype())) result.zero_points = zero_point->to_vector<int64_t>();
  return result;
}

IntegerRange integer_range(DType dtype) {
  const int bits = bits_of(dtype);
  if (!is_integer(dtype) || bits > 32) throw Error("numbers are not quantized to ", name_of(dtype));
  if (is_signed_integer(dtype))
    return {-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1};
  return {0, (int64_t{1} << bits) - 1};
}

int64_t quantized(float x, float scale, int64_t zero_point, IntegerRange range) {
  const float steps = std::nearbyint(x / scale);
  if (std::isnan(steps)) return zero_point;
  // Far beyond any code, and within what int64 holds.
  const auto code = static_cast<int64_t>(std::clamp(steps, -1e12f, 1e12f));
  return std::clamp(code + zero_point, range.lowest, range.highest);
}

}  // namespace halftone
