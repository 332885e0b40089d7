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
  int bits = 8;                     // 1..16, or 32
  std::optional<Scheme> scheme;     // left to the target's default where absent
  std::optional<bool> per_channel;  // along the operator's channel axis; likewise
  std::optional<bool> is_signed;    // likewise
  std::optional<float> range_min;   // fixed range; both or none
  std::optional<float> range_max;
  std::vector<int>
      channel_bits;  // bits of each output channel of a weight, 1..8; empty: all have `bits`
  std::optional<int> group = {};  // weight-only: input channels that share a scale; 0: all

  bool is_float() const { return bits == 32; }
  bool operator==(const QuantSpec&) const = default;
};

// The codes of a width: all of its type, or fewer (binary: -1 and 1).
struct Width {
  int bits = 8;
  CodeRange range;
  bool operator==(const Width&) const = default;
};

// Scale and zero point of a tensor (one value), of each channel along `axis`, or of each block; and
// the codes that it may use.
struct QuantParams {
  std::vector<float> scales;         // > 0, finite
  std::vector<int32_t> zero_points;  // as many
  int axis = -1;                     // -1: one scale for the tensor
  int bits = 8;                      // the most of any channel
  CodeRange range;                   // of all channels together
  std::vector<Width> channels = {};  // of each channel, where they differ; empty otherwise
  // Above 0: so many consecutive elements along `axis`, at each index of the other axes, share a
  // scale; the last block of an axis may be shorter. Scales lie row-major in scale_shape()
  // (quant_tensor.h).
  int64_t block_size = 0;

  bool is_per_channel() const { return axis >= 0 && block_size == 0; }
  // Of the scale at this position.
  Width width_at(size_t scale) const {
    return channels.empty() ? Width{bits, range} : channels[scale];
  }
  // Bits of an element, on average: channels have equally many.
  double mean_bits() const;
  bool operator==(const QuantParams&) const = default;
};

// Gives `params` a width for each channel: a plain one where all are equal.
void set_channel_widths(QuantParams& params, std::vector<Width> widths);

// Codes of a signed type of `bits` (two's complement, [-2^(b-1), 2^(b-1)-1]) or an unsigned one
// ([0, 2^b - 1]).
CodeRange full_range(int bits, bool is_signed);

// Range [low, high], widened to contain 0, to scale and zero point of the codes in `range`
// (affine): both ends and 0 are representable, 0 exactly. A range of nothing but 0 gives scale 1.
QuantParams affine_params(float low, float high, int bits, CodeRange range);

// The largest scale whose last code stays within `limit` > 0: (qmax - qmin) * scale <= limit in
// float32.
float largest_scale(float limit, CodeRange range);

// Scale with zero point 0 so that `magnitude` meets the last code. A magnitude of 0 gives scale 1.
float symmetric_scale(float magnitude, CodeRange range);

}  // namespace halftone
