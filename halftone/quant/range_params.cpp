#include "halftone/quant/range_params.h"

#include <algorithm>

namespace halftone {

bool is_symmetric(const QuantParams& params) {
  return params.range.qmin < 0 && params.zero_points[0] == 0;
}

QuantParams range_params(float low, float high, int bits, CodeRange range, bool symmetric) {
  if (!symmetric) return affine_params(low, high, bits, range);
  return {{symmetric_scale(std::max(-low, high), range)}, {0}, -1, bits, range};
}

}  // namespace halftone
