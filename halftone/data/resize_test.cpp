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

// 5x4 pixels, value of channel c at (x, y): (x * 50 + y * 60 + c * 20) % 256.
Image ramp() {
  Image image{5, 4, {}};
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 5; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(static_cast<uint8_t>((x * 50 + y * 60 + c * 20) % 256));
  return image;
}

// Goldens: numpy.asarray(Image.fromarray(ramp).resize((3, 2), filter))[:, :, 0] of Pillow 13.0; (7,
// 2) has the height losing more than twice what the width does.
TEST(Resize, EqualsPillowOnARamp) {
  const auto reds = [](const Image& image) {
    std::vector<int> values;
    for (size_t i = 0; i < image.rgb.size(); i += 3) values.push_back(image.rgb[i]);
    return values;
  };
  EXPECT_EQ(reds(resize(ramp(), 3, 2, Interpolation::kBilinear)),
            (std::vector<int>{64, 135, 122, 158, 127, 76}));
  EXPECT_EQ(reds(resize(ramp(), 3, 2, Interpolation::kBicubic)),
            (std::vector<int>{54, 141, 127, 170, 129, 67}));
  EXPECT_EQ(reds(resize(ramp(), 7, 2, Interpolation::kBilinear)),
            (std::vector<int>{43, 72, 107, 143, 152, 131, 97, 137, 166, 170, 127, 85, 74, 81}));
  EXPECT_EQ(reds(resize(ramp(), 7, 2, Interpolation::kBicubic)),
            (std::vector<int>{32, 59, 103, 145, 166, 136, 93, 142, 177, 184, 127, 73, 64, 80}));
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
  EXPECT_THROW(resize(ramp(), 3, 2, Interpolation::kBilinear, {1, 0, 3, 2}), Error);
  EXPECT_THROW(resize(ramp(), 3, 2, Interpolation::kBilinear, {0, 0, 0, 2}), Error);
}

}  // namespace
}  // namespace halftone
