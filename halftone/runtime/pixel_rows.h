// A walk over the pixels of several values of one shape: the longest rows that are consecutive in
// all of them.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "halftone/runtime/layout.h"
#include "halftone/runtime/split.h"

namespace halftone::runtime {

// Calls visit(offsets, pixels): byte of the first pixel in each layout, and how many follow.
// Layouts share batch, height and width. Rows are split among the pool's threads.
template <size_t kLayouts, typename Visit>
void each_pixel_row(const std::array<const Layout*, kLayouts>& layouts, ThreadPool& pool,
                    const Visit& visit) {
  const Layout& first = *layouts[0];
  const bool are_dense =
      std::ranges::all_of(layouts, [](const Layout* layout) { return layout->is_dense(); });
  const int64_t rows = first.batch * first.height, pixels = rows * first.width;
  using Offsets = std::array<int64_t, kLayouts>;
  if (are_dense)
    return split(pool, pixels, pixels * first.pitch, [&](int64_t begin, int64_t end) {
      Offsets offsets;
      for (size_t i = 0; i < kLayouts; ++i) offsets[i] = begin * layouts[i]->pitch;
      visit(offsets, end - begin);
    });
  split(pool, rows, pixels * first.pitch, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Offsets offsets;
      for (size_t i = 0; i < kLayouts; ++i)
        offsets[i] = layouts[i]->pixel(row / first.height, row % first.height, 0);
      visit(offsets, first.width);
    }
  });
}

}  // namespace halftone::runtime
