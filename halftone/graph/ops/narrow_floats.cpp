#include "halftone/graph/ops/narrow_floats.h"

#include <cmath>
#include <limits>
#include <utility>

#include "halftone/graph/float_formats.h"

namespace halftone {
namespace {

struct Largest {
  double value;
  double limit;  // magnitudes from here on round beyond `value`
  bool has_infinity;
};

Largest largest_of(DType dtype) {
  const uint32_t pattern = encode_float(dtype, 1e30);  // encoding saturates
  const double value = decode_float(dtype, pattern);
  const double half_step = (value - decode_float(dtype, pattern - 1)) / 2;
  // Halfway goes to the even neighbour: upwards where the largest pattern is odd.
  const double limit = value + half_step;
  return {value, pattern % 2 ? limit : std::nextafter(limit, 1e30), dtype == DType::kFloat8E5M2};
}

}  // namespace

bool is_float8(DType dtype) {
  return dtype == DType::kFloat8E4M3FN || dtype == DType::kFloat8E4M3FNUZ ||
         dtype == DType::kFloat8E5M2 || dtype == DType::kFloat8E5M2FNUZ;
}

Tensor rounded_to(DType dtype, Shape shape, std::vector<double> values, bool saturates) {
  if (!is_float8(dtype) || saturates) return Tensor::from_doubles(dtype, std::move(shape), values);
  const Largest largest = largest_of(dtype);
  std::vector<std::byte> bytes(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const bool overflows = std::fabs(values[i]) >= largest.limit;
    const double stands_for = overflows ? std::numeric_limits<double>::quiet_NaN() : values[i];
    const uint32_t sign = std::signbit(values[i]) ? 0x80 : 0;
    // 0x7c is infinity in float8e5m2.
    const uint32_t pattern =
        overflows && largest.has_infinity ? 0x7c | sign : encode_float(dtype, stands_for);
    bytes[i] = static_cast<std::byte>(pattern);
  }
  return Tensor::from_bytes(dtype, std::move(shape), std::move(bytes));
}

}  // namespace halftone
