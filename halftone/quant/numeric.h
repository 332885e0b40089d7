// The numeric contract: how a float becomes a code and back. Everything that rounds calls this or
// is tested bit for bit against it.
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

// The same over many values, bit for bit; Code is int8_t or uint8_t and holds `range`. Vectorised:
// clamping to whole numbers before rounding gives what rounding before clamping gives, and
// adding 1.5 * 2^23 rounds half to even where |x| < 2^22.
template <typename Code>
void quantize_values(std::span<const float> values, float scale, int32_t zero_point,
                     CodeRange range, Code* codes) {
  const float low = static_cast<float>(range.qmin - zero_point);
  const float high = static_cast<float>(range.qmax - zero_point);
  constexpr float kRound = 12582912.0f;
  for (size_t i = 0; i < values.size(); ++i) {
    const float x = values[i] / scale;
    const float above = x > low ? x : low;  // NaN becomes the lowest code
    const float clamped = above < high ? above : high;
    codes[i] = static_cast<Code>(static_cast<int32_t>((clamped + kRound) - kRound) + zero_point);
  }
}

// The way back, bit for bit as dequantize(). Vectorised.
template <typename Code>
void dequantize_values(std::span<const Code> codes, float scale, int32_t zero_point,
                       float* values) {
  for (size_t i = 0; i < codes.size(); ++i) values[i] = dequantize(codes[i], scale, zero_point);
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
