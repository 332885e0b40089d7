#include "halftone/runtime/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "halftone/runtime/pixel_rows.h"

namespace halftone::runtime {
namespace {

TEST(Layout, BorderAndElementsCoverAnImageWithoutOverlap) {
  for (int64_t channels : {1, 3, 5, 8, 16, 21}) {
    const Shape shape{2, channels, 4, 3};
    Layout layout = layout_of(shape);
    layout.widen(1, 2, 0, 3);
    std::vector<uint8_t> bytes(layout.bytes());
    for (int32_t at : positions(shape, layout)) ++bytes[static_cast<size_t>(at)];
    EXPECT_EQ(std::ranges::count(bytes, 1), element_count(shape));
    fill_border(layout, 7, bytes.data());
    const int64_t outside = layout.batch * (layout.image_bytes() - layout.pixels() * layout.pitch);
    EXPECT_EQ(std::ranges::count(bytes, 7), outside) << "no element is overwritten";
    EXPECT_EQ(std::ranges::count(bytes, 1), element_count(shape));
  }
}

TEST(Layout, RefusesWhatIsEmptyOrTooLarge) {
  EXPECT_THROW(layout_of({1, 0, 3, 3}), Error);
  EXPECT_THROW(layout_of({1, 64, 1 << 15, 1 << 15}), Error);
  Layout layout = layout_of({1, 3, 8, 8});
  EXPECT_THROW(layout.widen(int64_t{1} << 40, 0, 0, 0), Error);
}

TEST(PixelRows, EveryRowIsVisitedOnceOnAnyNumberOfThreads) {
  Layout dense = layout_of({1, 16, 200, 130});
  Layout bordered = dense;
  bordered.widen(1, 1, 1, 1);
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    std::mutex mutex;
    std::set<int64_t> rows;
    int64_t pixels = 0;
    each_pixel_row(std::array<const Layout*, 2>{&dense, &bordered}, pool,
                   [&](const auto& at, int64_t count) {
                     const std::lock_guard lock(mutex);
                     rows.insert(at[1]);
                     pixels += count;
                   });
    EXPECT_EQ(rows.size(), 200u);
    EXPECT_EQ(pixels, dense.pixels());
    const Layout wide = layout_of({2, 32, 101, 67});  // as many pixels a byte, two images
    const Layout rows_of_channels = layout_of({2 * 101 * 67, 32});
    for (const Layout* layout : {&wide, &rows_of_channels}) {
      std::map<int64_t, int64_t> pieces;  // byte of the first pixel, bytes
      each_pixel_row(std::array<const Layout*, 1>{layout}, pool,
                     [&](const auto& at, int64_t count) {
                       const std::lock_guard lock(mutex);
                       pieces[at[0]] = count * layout->pitch;
                     });
      EXPECT_EQ(pieces.size(), static_cast<size_t>(threads));
      int64_t end = 0;
      for (const auto& [first, bytes] : pieces) {
        EXPECT_EQ(first, end);
        end += bytes;
      }
      EXPECT_EQ(end, 2 * 101 * 67 * layout->pitch);
    }
  }
}

}  // namespace
}  // namespace halftone::runtime
