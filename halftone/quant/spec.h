// How one tensor is to be quantized (QuantSpec), and the numbers that came of it (QuantParams).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "halftone/quant/numeric.h"

namespace halftone {

enum class Scheme { kAffine, kSymmetric, kBinary, kTernary, kPowerOfTwo, kCodebook };
std::string to_string(Scheme scheme);
std::optional<Scheme> scheme_from(const std::string& name);

// What a user asks of a site. bits == 32 keeps it in float.
struct QuantSpec {
  int bits = 8;                          // 1..16, or 32
  std::optional<Scheme> scheme;          // left to the target's default where absent
  std::optional<bool> per_channel;       // along the operator's channel axis; likewise
  std::optional<bool> is_signed;         // likewise
  std::optional<float> range_min;        // fixed range; both or none
  std::optional<float> range_max;
  std::vector<int> channel_bits;         // bits of each channel, where they differ; empty otherwise

  bool is_float() const { return bits == 32; }
  bool operator==(const QuantSpec&) const = default;
};

// Scale and zero point of a tensor (one value) or of each channel along `axis`, and the codes that it may use.
struct QuantParams {
  std::vector<float> scales;         // > 0, finite
  std::vector<int32_t> zero_points;  // as many
  int axis = -1;                     // -1: one scale for the tensor
  int bits = 8;
  CodeRange range;

  bool is_per_channel() const { return axis >= 0; }
  bool operator==(const QuantParams&) const = default;
};

// Codes of a signed type of `bits` (two's complement, [-2^(b-1), 2^(b-1)-1]) or an unsigned one ([0, 2^b - 1]).
CodeRange full_range(int bits, bool is_signed);

// Range [low, high], widened to contain 0, to scale and zero point of the codes in `range` (affine): both ends and 0 are
// representable, 0 exactly. A range of nothing but 0 gives scale 1.
QuantParams affine_params(float low, float high, int bits, CodeRange range);

// The largest scale whose last code stays within `limit` > 0: (qmax - qmin) * scale <= limit in float32.
float largest_scale(float limit, CodeRange range);

// Scale with zero point 0 so that `magnitude` meets the last code. A magnitude of 0 gives scale 1.
float symmetric_scale(float magnitude, CodeRange range);

}  // namespace halftone
