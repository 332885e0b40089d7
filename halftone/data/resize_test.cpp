#include "halftone/data/resize.h"

#include <gtest/gtest.h>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"

namespace halftone {
namespace {

Image random_image(int width, int height, Rng& rng) {
  Image image{width, height, std::vector<uint8_t>(3 * static_cast<size_t>(width * height))};
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(rng.below(256));
  return image;
}

Image crop(const Image& image, const Region& region) {
  Image result{region.width, region.height, {}};
  for (int y = 0; y < region.height; ++y) {
    const auto row = image.rgb.begin() + 3 * ((region.top + y) * image.width + region.left);
    result.rgb.insert(result.rgb.end(), row, row + 3 * region.width);
  }
  return result;
}

// Value of channel c at (x, y): (37 x^2 + 61 y^2 + 11 x y + 20 c) % 256.
Image pattern(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(
            static_cast<uint8_t>((37 * x * x + 61 * y * y + 11 * x * y + 20 * c) % 256));
  return image;
}

// numpy.asarray(Image.fromarray(pattern).resize((out_width, out_height), filter))[:, :, 0] of
// Pillow 13.0. From 9x24 it starts with the rows, from 9x16 with the columns; the values differ.
struct Golden {
  int width, height, out_width, out_height;
  Interpolation interpolation;
  std::vector<int> red;
};

TEST(Resize, EqualsPillow) {
  const std::vector<Golden> goldens{
      {5, 4, 3, 2, Interpolation::kBilinear, {65, 148, 131, 109, 178, 188}},
      {5, 4, 3, 2, Interpolation::kBicubic, {59, 148, 129, 111, 179, 195}},
      {5, 4, 7, 6, Interpolation::kBicubic, {0,   9,   64,  143, 91,  67,  73,  16,  42,  109, 190,
                                             142, 123, 132, 88,  90,  138, 229, 187, 174, 188, 245,
                                             124, 72,  183, 147, 139, 156, 149, 97,  105, 215, 184,
                                             183, 205, 18,  63,  153, 255, 229, 232, 255}},
      {9,
       24,
       3,
       5,
       Interpolation::kBilinear,
       {132, 154, 119, 155, 158, 139, 153, 144, 146, 143, 114, 132, 94, 97, 104}},
      {9,
       24,
       3,
       5,
       Interpolation::kBicubic,
       {133, 153, 114, 159, 161, 137, 152, 144, 152, 145, 112, 133, 91, 98, 101}},
      {9,
       16,
       3,
       5,
       Interpolation::kBilinear,
       {120, 150, 127, 156, 158, 111, 154, 161, 151, 149, 143, 148, 156, 146, 143}},
      {9,
       16,
       3,
       5,
       Interpolation::kBicubic,
       {117, 149, 126, 165, 158, 106, 154, 165, 151, 146, 140, 153, 158, 146, 142}},
  };
  for (const Golden& golden : goldens) {
    const Image image = resize(pattern(golden.width, golden.height), golden.out_width,
                               golden.out_height, golden.interpolation);
    std::vector<int> red;
    for (size_t i = 0; i < image.rgb.size(); i += 3) red.push_back(image.rgb[i]);
    EXPECT_EQ(red, golden.red) << golden.width << "x" << golden.height;
  }
}

TEST(Resize, KeepsTheImageAtItsOwnSize) {
  Rng rng(1);
  const Image image = random_image(13, 9, rng);
  EXPECT_EQ(resize(image, 13, 9, Interpolation::kBilinear), image);
  EXPECT_EQ(resize(image, 13, 9, Interpolation::kBicubic), image);
}

TEST(Resize, KeepsOneColourOneColour) {
  Rng rng(2);
  for (int trial = 0; trial < 50; ++trial) {
    const int width = 1 + static_cast<int>(rng.below(40)),
              height = 1 + static_cast<int>(rng.below(40));
    const auto value = static_cast<uint8_t>(rng.below(256));
    const Image image{width, height,
                      std::vector<uint8_t>(3 * static_cast<size_t>(width * height), value)};
    for (const auto interpolation : {Interpolation::kBilinear, Interpolation::kBicubic})
      for (const uint8_t pixel : resize(image, 17, 5, interpolation).rgb)
        ASSERT_EQ(pixel, value) << width << "x" << height;
  }
}

TEST(Resize, ARegionEqualsTheCroppedWhole) {
  Rng rng(3);
  for (int trial = 0; trial < 200; ++trial) {
    const auto below = [&](int bound) {
      return static_cast<int>(rng.below(static_cast<uint64_t>(bound)));
    };
    const Image image = random_image(1 + below(40), 1 + below(80), rng);
    const int width = 1 + below(50), height = 1 + below(50);
    Region region{below(width), below(height), 0, 0};
    region.width = 1 + below(width - region.left);
    region.height = 1 + below(height - region.top);
    for (const auto interpolation : {Interpolation::kBilinear, Interpolation::kBicubic})
      ASSERT_EQ(resize(image, width, height, interpolation, region),
                crop(resize(image, width, height, interpolation), region))
          << image.width << "x" << image.height << " to " << width << "x" << height;
  }
}

TEST(Resize, RejectsARegionOutside) {
  EXPECT_THROW(resize(pattern(5, 4), 3, 2, Interpolation::kBilinear, {1, 0, 3, 2}), Error);
  EXPECT_THROW(resize(pattern(5, 4), 3, 2, Interpolation::kBilinear, {0, 0, 0, 2}), Error);
}

}  // namespace
}  // namespace halftone
