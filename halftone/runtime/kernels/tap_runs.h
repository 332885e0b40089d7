// The order in which dense kernels walk a convolution's taps and channels.
#pragma once

#include <cstdint>
#include <vector>

#include "halftone/runtime/convolution.h"
#include "halftone/runtime/kernels/tile.h"

namespace halftone::runtime {

// Consecutive input elements from the first channel of tap (y, x) on. Where taps lie side by side
// (no dilation, one group) it is a whole kernel row, the padding between the channels of two pixels
// included.
struct TapRow {
  int64_t y = 0, x = 0;
  int64_t elements = 0;
};

std::vector<TapRow> tap_rows(const Convolution& problem);

// The weight of `output` for element `element` of the row; 0 for padding and past the end.
int16_t weight_at(const Convolution& problem, int64_t output, const TapRow& row, int64_t element);

// Some steps of a row. A dense kernel's walk is a list of them.
struct Stretch {
  TapRow row;
  int64_t first_step = 0, steps = 0;
  bool is_flushed = false;  // narrow sums go into wide ones after it
};

// Every row as one stretch of steps of `step_elements` inputs.
std::vector<Stretch> whole_rows(const Convolution& problem, int64_t step_elements);

}  // namespace halftone::runtime
