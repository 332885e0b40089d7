// The numeric contract: how a float becomes a code and back. Everything that rounds calls this or is tested bit for bit
// against it.
//
//   q  = clamp(round_half_even(x / scale) + zero_point, qmin, qmax)
//   x' = (q - zero_point) * scale
//
// in float32, with a true division: 1/scale is inexact and would flip ties against ONNX.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

namespace halftone {

// Lowest and highest code, both included.
struct CodeRange {
  int32_t qmin = 0;
  int32_t qmax = 255;
  int32_t levels() const { return qmax - qmin + 1; }
  bool operator==(const CodeRange&) const = default;
};

// x finite, scale > 0 and finite. The result is within `range`, whatever x.
inline int32_t quantize(float x, float scale, int32_t zero_point, CodeRange range) {
  const float rounded = std::nearbyint(x / scale);
  // Clamping in float first keeps huge values from overflowing the conversion.
  const float low = static_cast<float>(range.qmin - zero_point);
  const float high = static_cast<float>(range.qmax - zero_point);
  return static_cast<int32_t>(rounded < low ? low : rounded > high ? high : rounded) + zero_point;
}

inline float dequantize(int32_t code, float scale, int32_t zero_point) {
  return static_cast<float>(code - zero_point) * scale;
}

// Throws Error naming `tensor` and the position where a value is NaN or infinite.
void require_finite(std::span<const float> values, std::string_view tensor);

// Smallest and largest of finite values, and whether all are finite; {0, 0, true} of none.
struct MinMax {
  float min = 0;
  float max = 0;
  bool all_finite = true;
};
MinMax min_max(std::span<const float> values);

}  // namespace halftone
