#include "halftone/runtime/layout.h"

#include <algorithm>
#include <cstring>

namespace halftone::runtime {
namespace {

// Positions are 32-bit numbers, and a hostile file must not ask for all memory: 64 M codes are an
// image of 4,600 x 4,600 pixels.
constexpr int64_t kMostElements = int64_t{1} << 26;
constexpr int64_t kMostBytes = int64_t{1} << 30;
constexpr int64_t kWidestBorder = 1 << 15;

}  // namespace

// A pixel of few channels (an image) is not padded: a kernel row of 3 * kw bytes wastes less than
// kw padded pixels.
int64_t channel_pitch(int64_t channels) { return channels < 8 ? channels : (channels + 3) / 4 * 4; }

void Layout::widen(int64_t top_rows, int64_t left_columns, int64_t bottom_rows,
                   int64_t right_columns) {
  top = std::max(top, top_rows);
  left = std::max(left, left_columns);
  bottom = std::max(bottom, bottom_rows);
  right = std::max(right, right_columns);
  const bool is_too_wide = std::max({top, left, bottom, right}) > kWidestBorder;
  if (is_too_wide || image_bytes() > kMostBytes / batch)
    throw Error("padding of ", top_rows, ", ", left_columns, ", ", bottom_rows, ", ", right_columns,
                " is too large for the native runtime");
}

Layout layout_of(const Shape& shape) {
  Layout layout;
  if (shape.size() == 4) {
    layout = {.batch = shape[0], .height = shape[2], .width = shape[3], .channels = shape[1]};
  } else if (!shape.empty()) {
    layout.channels = shape.back();
    layout.width = element_count(Shape(shape.begin(), shape.end() - 1));
  }
  layout.pitch = channel_pitch(layout.channels);
  const bool has_elements = std::ranges::all_of(shape, [](int64_t d) { return d > 0; });
  if (!has_elements || element_count(shape) > kMostElements)
    throw Error("a value of shape ", to_string(shape),
                " is empty or too large for the native runtime");
  return layout;
}

std::vector<int32_t> positions(const Shape& shape, const Layout& layout) {
  const auto count = static_cast<size_t>(element_count(shape));
  std::vector<int32_t> result(count);
  const bool is_image = shape.size() == 4;
  size_t i = 0;
  if (is_image) {
    for (int64_t n = 0; n < layout.batch; ++n)
      for (int64_t c = 0; c < layout.channels; ++c)
        for (int64_t y = 0; y < layout.height; ++y)
          for (int64_t x = 0; x < layout.width; ++x)
            result[i++] = static_cast<int32_t>(layout.pixel(n, y, x) + c);
    return result;
  }
  for (int64_t x = 0; x < layout.width; ++x)
    for (int64_t c = 0; c < layout.channels; ++c)
      result[i++] = static_cast<int32_t>(layout.pixel(0, 0, x) + c);
  return result;
}

void fill_border(const Layout& layout, uint8_t zero, uint8_t* data) {
  if (!layout.has_border()) return;
  const auto fill = [&](int64_t begin, int64_t end) {
    std::memset(data + begin, zero, static_cast<size_t>(end - begin));
  };
  for (int64_t n = 0; n < layout.batch; ++n) {
    const int64_t image = n * layout.image_bytes();
    // What lies between two rows is one run: the right border of one and the left border of the
    // next.
    int64_t begin = image;
    for (int64_t y = 0; y < layout.height; ++y) {
      fill(begin, layout.pixel(n, y, 0));
      begin = layout.pixel(n, y, layout.width);
    }
    fill(begin, image + layout.image_bytes());
  }
}

}  // namespace halftone::runtime
