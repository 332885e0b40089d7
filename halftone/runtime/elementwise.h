// Sum and product of two activations, code by code.
//
// The definition: both become float32 by their scales, one operation, and the result is quantized
// (a true division). For sums there is a faster form, one multiplication a side; it is taken where
// it gives the same code for every pair of codes, which is tried.
#pragma once

#include <cstdint>

#include "halftone/runtime/codes.h"

namespace halftone::runtime {

enum class Operation { kAdd, kSubtract, kMultiply };

class Elementwise {
 public:
  // most_a, most_b: largest codes of the two.
  Elementwise(Operation operation, const CodeType& a, const CodeType& b, const CodeType& output,
              int32_t most_a, int32_t most_b);

  // The definition.
  uint8_t operator()(uint8_t a, uint8_t b) const;
  bool is_scaled() const { return is_scaled_; }

  // out[i] of a[i] and b[i]. Reads up to 64 bytes more of both; out may be a or b.
  void run(const uint8_t* a, const uint8_t* b, uint8_t* out, int64_t count) const;

  Operation operation;
  CodeType a, b, output;
  // out = round(a * factor_a + (b * factor_b + offset)), clamped.
  float factor_a = 0, factor_b = 0, offset = 0;

 private:
  uint8_t scaled(int32_t code_a, int32_t code_b) const;
  bool is_scaled_ = false;
};

}  // namespace halftone::runtime
