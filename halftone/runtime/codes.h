// What the bytes of an activation mean, and how an exact sum becomes one (design: the numeric
// contract).
//
//   const CodeType image{.scale = 0.02f, .zero_point = 114, .qmax = 255};
//   const float m = multiplier(input.scale, weight_scale, output.scale);
//   uint8_t q = requantize(accumulator, m, output);
//
// The runtime keeps every activation in bytes counted from 0, whatever type the file has: int8
// codes are shifted by 128, and a ReLU below which no code lies moves its lowest code to 0. A shift
// of codes and zero point together changes no value.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/quant/numeric.h"

namespace halftone::runtime {

// Codes 0..qmax with value (code - zero_point) * scale.
struct CodeType {
  float scale = 1.0f;      // > 0, finite
  int32_t zero_point = 0;  // where the file's types are narrowed it may lie outside 0..qmax
  int32_t qmax = 255;      // 1..255
  int32_t shift = 0;       // code in the file = code + shift

  CodeRange range() const { return {0, qmax}; }
  float value(int32_t code) const { return dequantize(code, scale, zero_point); }
  uint8_t code(float value) const {
    return static_cast<uint8_t>(quantize(value, scale, zero_point, range()));
  }
  // Whether the byte of real zero exists, which padding inserts.
  bool has_zero() const { return zero_point >= 0 && zero_point <= 255; }
  bool operator==(const CodeType&) const = default;
};

// (input * weight) / output, each step rounded to float32. onnxruntime multiplies and divides in
// this order; every other one differs from it on a quarter of the channels or more.
inline float multiplier(float input_scale, float weight_scale, float output_scale) {
  return (input_scale * weight_scale) / output_scale;
}

// float(accumulator) * m rounds to the nearest whole number, ties to even; then the zero point is
// added; then it is clamped. Clamping to whole numbers before rounding gives the same and keeps the
// conversion from overflowing.
inline uint8_t requantize(int32_t accumulator, float m, const CodeType& type) {
  const float steps = static_cast<float>(accumulator) * m;
  const auto low = static_cast<float>(-type.zero_point);
  const auto high = static_cast<float>(type.qmax - type.zero_point);
  const float clamped = steps > low ? (steps < high ? steps : high) : low;
  return static_cast<uint8_t>(static_cast<int32_t>(std::nearbyint(clamped)) + type.zero_point);
}

}  // namespace halftone::runtime
