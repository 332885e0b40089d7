#include "halftone/data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "halftone/base/error.h"

namespace halftone {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// Which input pixels an output pixel is made of, and with what weights.
struct Taps {
  int first;
  std::vector<int32_t> weights;  // in 2^-22
};

// For the output pixels [begin, begin + count) of a line of `in_size` pixels resized to `out_size`.
std::vector<Taps> make_taps(int in_size, int out_size, int begin, int count,
                            Interpolation interpolation) {
  const bool is_cubic = interpolation == Interpolation::kBicubic;
  const double scale = static_cast<double>(in_size) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (is_cubic ? 2.0 : 1.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  std::vector<Taps> all;
  all.reserve(static_cast<size_t>(count));
  std::vector<double> exact;
  for (int x = begin; x < begin + count; ++x) {
    const double center = (x + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5), in_size);
    exact.clear();
    double sum = 0.0;
    for (int i = first; i < last; ++i) {
      const double at = (i - center + 0.5) * inverse;
      exact.push_back(is_cubic ? bicubic(at) : bilinear(at));
      sum += exact.back();
    }
    Taps taps{first, {}};
    taps.weights.reserve(exact.size());
    for (double weight : exact) {
      if (sum != 0.0) weight /= sum;
      const double fixed = weight * (1 << kPrecisionBits);
      taps.weights.push_back(static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    all.push_back(std::move(taps));
  }
  return all;
}

uint8_t round_to_8_bits(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

// Input pixels that the taps reach.
struct Range {
  int first;
  int count;
};

Range reach(const std::vector<Taps>& taps) {
  const int last = taps.back().first + static_cast<int>(taps.back().weights.size());
  return {taps.front().first, last - taps.front().first};
}

void shift(std::vector<Taps>& taps, int by) {
  for (Taps& tap : taps) tap.first -= by;
}

const uint8_t* pixel_at(const Image& image, int x, int y) {
  return image.rgb.data() +
         3 * (static_cast<size_t>(y) * static_cast<size_t>(image.width) + static_cast<size_t>(x));
}

Image make_image(int width, int height) {
  return {width, height,
          std::vector<uint8_t>(3 * static_cast<size_t>(width) * static_cast<size_t>(height))};
}

// Rows `rows` of `in`, with one pixel for each of `columns`.
Image resize_columns(const Image& in, const std::vector<Taps>& columns, Range rows) {
  Image result = make_image(static_cast<int>(columns.size()), rows.count);
  uint8_t* out = result.rgb.data();
  for (int y = rows.first; y < rows.first + rows.count; ++y) {
    for (const Taps& tap : columns) {
      int32_t red = kHalf, green = kHalf, blue = kHalf;
      const uint8_t* pixel = pixel_at(in, tap.first, y);
      for (int32_t weight : tap.weights) {
        red += pixel[0] * weight;
        green += pixel[1] * weight;
        blue += pixel[2] * weight;
        pixel += 3;
      }
      *out++ = round_to_8_bits(red);
      *out++ = round_to_8_bits(green);
      *out++ = round_to_8_bits(blue);
    }
  }
  return result;
}

// Columns `columns` of `in`, with one row for each of `rows`.
Image resize_rows(const Image& in, const std::vector<Taps>& rows, Range columns) {
  Image result = make_image(columns.count, static_cast<int>(rows.size()));
  const size_t stride = 3 * static_cast<size_t>(columns.count);
  std::vector<int32_t> sums(stride);
  uint8_t* out = result.rgb.data();
  for (const Taps& tap : rows) {
    std::fill(sums.begin(), sums.end(), kHalf);
    int y = tap.first;
    for (int32_t weight : tap.weights) {
      const uint8_t* pixels = pixel_at(in, columns.first, y++);
      for (size_t x = 0; x < stride; ++x) sums[x] += pixels[x] * weight;
    }
    for (size_t x = 0; x < stride; ++x) *out++ = round_to_8_bits(sums[x]);
  }
  return result;
}

// Pillow 13 starts with the rows where they shrink by more than twice what the columns do (by
// pixels, not by factor); earlier versions never do. The order shows in the rounding between the
// passes.
bool is_rows_first(const Image& image, int width, int height) {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

}  // namespace

Image resize(const Image& image, int width, int height, Interpolation interpolation) {
  return resize(image, width, height, interpolation, {0, 0, width, height});
}

Image resize(const Image& image, int width, int height, Interpolation interpolation,
             const Region& region) {
  if (region.left < 0 || region.top < 0 || region.width <= 0 || region.height <= 0 ||
      region.left > width - region.width || region.top > height - region.height)
    throw Error("resizing an image to ", width, "x", height, ": the region ", region.width, "x",
                region.height, " at ", region.left, ",", region.top, " does not lie inside");
  auto columns = make_taps(image.width, width, region.left, region.width, interpolation);
  auto rows = make_taps(image.height, height, region.top, region.height, interpolation);
  if (is_rows_first(image, width, height)) {
    const Range needed = reach(columns);
    shift(columns, needed.first);
    return resize_columns(resize_rows(image, rows, needed), columns, {0, region.height});
  }
  const Range needed = reach(rows);
  shift(rows, needed.first);
  return resize_rows(resize_columns(image, columns, needed), rows, {0, region.width});
}

}  // namespace halftone
