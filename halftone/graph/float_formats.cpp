#include "halftone/graph/float_formats.h"

#include <cmath>
#include <limits>
#include <string>

#include "halftone/base/error.h"

namespace halftone {
namespace {

enum class Special {
  kIeee,     // all-ones exponent: infinity and NaN
  kNan,      // only the all-ones pattern is NaN, no infinity (FN)
  kNegZero,  // the pattern of minus zero is NaN, no infinity, no minus zero (FNUZ)
  kNone,     // neither
};
struct Format {
  int exponent_bits, mantissa_bits, bias;
  Special special;
};

Format format_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return {5, 10, 15, Special::kIeee};
    case DType::kBfloat16:
      return {8, 7, 127, Special::kIeee};
    case DType::kFloat8E4M3FN:
      return {4, 3, 7, Special::kNan};
    case DType::kFloat8E4M3FNUZ:
      return {4, 3, 8, Special::kNegZero};
    case DType::kFloat8E5M2:
      return {5, 2, 15, Special::kIeee};
    case DType::kFloat8E5M2FNUZ:
      return {5, 2, 16, Special::kNegZero};
    case DType::kFloat4E2M1:
      return {2, 1, 1, Special::kNone};
    default:
      throw Error(name_of(dtype), " is not a small float type");
  }
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

double decode_float(DType dtype, uint32_t bits) {
  if (dtype == DType::kFloat8E8M0)
    return bits == 255 ? kNan : std::ldexp(1.0, static_cast<int>(bits) - 127);
  const Format f = format_of(dtype);
  const uint32_t mantissa = bits & ((1u << f.mantissa_bits) - 1);
  const uint32_t exponent = (bits >> f.mantissa_bits) & ((1u << f.exponent_bits) - 1);
  const uint32_t top = (1u << f.exponent_bits) - 1;
  const bool negative = (bits >> (f.mantissa_bits + f.exponent_bits)) & 1;
  if (f.special == Special::kIeee && exponent == top)
    return mantissa ? kNan : negative ? -kInfinity : kInfinity;
  if (f.special == Special::kNan && exponent == top && mantissa == (1u << f.mantissa_bits) - 1)
    return kNan;
  if (f.special == Special::kNegZero && negative && exponent == 0 && mantissa == 0) return kNan;
  const double fraction = mantissa + (exponent ? double(1u << f.mantissa_bits) : 0.0);
  const double value =
      std::ldexp(fraction, (exponent ? static_cast<int>(exponent) : 1) - f.bias - f.mantissa_bits);
  return negative ? -value : value;
}

uint32_t encode_float(DType dtype, double value) {
  if (dtype == DType::kFloat8E8M0) {
    if (std::isnan(value) || value < 0) return 255;
    if (value == 0) return 0;
    const double exponent = std::nearbyint(std::log2(value)) + 127;
    return exponent < 0 ? 0 : exponent > 254 ? 254 : static_cast<uint32_t>(exponent);
  }
  const Format f = format_of(dtype);
  const uint32_t sign = std::signbit(value) ? 1u << (f.mantissa_bits + f.exponent_bits) : 0;
  const uint32_t top = (1u << f.exponent_bits) - 1;
  const uint32_t ones = (1u << f.mantissa_bits) - 1;
  if (std::isnan(value)) {
    if (f.special == Special::kIeee)
      return sign | top << f.mantissa_bits | 1u << (f.mantissa_bits - 1);
    if (f.special == Special::kNan) return sign | top << f.mantissa_bits | ones;
    if (f.special == Special::kNegZero) return 1u << (f.mantissa_bits + f.exponent_bits);
    return sign;
  }
  // Largest finite pattern without the sign.
  const uint32_t largest = f.special == Special::kIeee  ? (top - 1) << f.mantissa_bits | ones
                           : f.special == Special::kNan ? (top << f.mantissa_bits | ones) - 1
                                                        : top << f.mantissa_bits | ones;
  const bool saturates = dtype != DType::kFloat16 && dtype != DType::kBfloat16;
  const double magnitude = std::fabs(value);
  if (std::isinf(value)) return sign | (saturates ? largest : top << f.mantissa_bits);
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude = m * 2^exponent, m in [0.5, 1)
  const int lowest = 1 - f.bias;     // exponent of the smallest normal number
  const int scale =
      (magnitude == 0 || exponent - 1 < lowest ? lowest : exponent - 1) - f.mantissa_bits;
  const auto units = static_cast<uint64_t>(std::nearbyint(std::ldexp(magnitude, -scale)));
  // units counts steps of 2^scale; the pattern is linear in it within a binade and carries into the
  // exponent by itself.
  const uint64_t pattern =
      units < (1ull << f.mantissa_bits)
          ? units
          : (static_cast<uint64_t>(scale + f.mantissa_bits + f.bias) << f.mantissa_bits) + units -
                (1ull << f.mantissa_bits);
  if (pattern > largest) return sign | (saturates ? largest : top << f.mantissa_bits);
  if (pattern == 0 && f.special == Special::kNegZero) return 0;
  return sign | static_cast<uint32_t>(pattern);
}

}  // namespace halftone
