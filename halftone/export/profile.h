// A target profile: where one runtime wants its Q/DQ pairs, and which types it fuses.
#pragma once

#include <string>

#include "halftone/base/registry.h"
#include "halftone/graph/dtype.h"
#include "halftone/quant/spec.h"

namespace halftone {

// How an activation of fewer than 8 bits is kept within its codes.
enum class NarrowActivation {
  kIntegerClip,          // Q(uint8) -> Clip(uint8) -> DQ: onnxruntime fuses it
  kSaturatingZeroPoint,  // the codes at the top of the type, whose own end is the ceiling
  kNone,                 // no exact form: 8 bits only
};

struct Profile {
  static constexpr const char* kKind = "target";
  std::string name;
  std::string summary;
  std::string source;      // where its rules are from
  DType activation_type;   // kUint8: affine; kInt8: symmetric, zero point 0
  bool quantizes_outputs;  // Q behind every quantized operator; else only before weighted ones
  bool shares_concat;      // inputs and output of Concat take one scale
  bool has_integer_bias;   // int32 with a DQ; else float
  NarrowActivation narrow_activation;
  CodeRange eight_bit_weights;  // codes of 8-bit weights
  bool is_packed = false;       // weights stored in their bits (export/compact.h)
  // Makes one operator of a matrix product in float and its weight of 8, 4 or 2 bits, also in
  // groups (export/weight_only.h).
  bool has_narrow_products = false;
};

// Codes of a weight of `bits`: the profile's at 8 bits ([-127, 127] with full_range), [-2^(b-1),
// 2^(b-1)-1] below,
// {-1, 1} for 1 bit.
CodeRange weight_codes(const Profile& profile, int bits, bool full_range);

// Codes of an activation of `bits` within the profile's storage type.
CodeRange activation_codes(const Profile& profile, int bits);

// Parameters of an activation with codes counted from 0 (uint8), in the profile's storage type: the
// same values. Throws Error naming `site` where the target takes no zero point and there is one.
QuantParams stored_in(const Profile& profile, QuantParams params, const std::string& site);

}  // namespace halftone
