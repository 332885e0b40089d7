#include "halftone/quant/numeric.h"

#include <algorithm>
#include <array>

#include "halftone/base/error.h"

namespace halftone {

void require_finite(std::span<const float> values, std::string_view tensor) {
  if (min_max(values).all_finite) return;
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw Error("tensor '", tensor, "' holds ", values[i], " at position ", i,
                  ": quantization needs finite values; repair the model or the data");
}

}  // namespace halftone
