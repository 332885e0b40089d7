#include "halftone/data/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "halftone/base/error.h"

namespace halftone {
namespace {

// The value of each of the 256 pixel levels in each channel: 768 divisions instead of one a pixel.
struct Levels {
  std::array<std::array<float, 256>, 3> of_channel;

  explicit Levels(const Preprocess& preprocess) {
    for (size_t c = 0; c < 3; ++c) {
      const float mean = c < preprocess.mean.size() ? static_cast<float>(preprocess.mean[c]) : 0.0f;
      const float std = c < preprocess.std.size() ? static_cast<float>(preprocess.std[c]) : 1.0f;
      for (size_t level = 0; level < 256; ++level)
        of_channel[c][level] = (static_cast<float>(level) / 255.0f - mean) / std;
    }
  }
};

// Pillow's convert("L").
std::vector<uint8_t> to_gray(const Image& image) {
  std::vector<uint8_t> gray(image.rgb.size() / 3);
  for (size_t i = 0; i < gray.size(); ++i) {
    const uint8_t* p = image.rgb.data() + 3 * i;
    gray[i] = static_cast<uint8_t>((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
  }
  return gray;
}

Image resize_and_crop(const Preprocess& preprocess, const Image& image, const std::string& name) {
  int width = image.width;
  int height = image.height;
  if (preprocess.resize) {
    const double ratio = static_cast<double>(*preprocess.resize) / std::min(width, height);
    const double most = 1 << 20;
    if (std::max(width, height) * ratio > most)
      throw Error("preprocessing '", name, "': ", width, "x", height,
                  " pixels are too oblong to be resized to a ", "shorter side of ",
                  *preprocess.resize);
    width = static_cast<int>(std::nearbyint(width * ratio));
    height = static_cast<int>(std::nearbyint(height * ratio));
  }
  Region region{0, 0, width, height};
  if (preprocess.crop) {
    const int side = *preprocess.crop;
    if (width < side || height < side)
      throw Error("preprocessing '", name, "': ", width, "x", height,
                  preprocess.resize ? " pixels after resizing" : " pixels",
                  " are smaller than the crop of ", side, "; give \"resize\": ", side, " or more");
    region = {(width - side) / 2, (height - side) / 2, side, side};
  }
  return resize(image, width, height, preprocess.interpolation, region);
}

}  // namespace

Tensor Preprocess::apply(const Image& image, const std::string& name) const {
  Image cropped;
  if (resize || crop) cropped = resize_and_crop(*this, image, name);
  const Image& picture = resize || crop ? cropped : image;

  const Levels levels(*this);
  const size_t pixels = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height);
  const size_t channels = color == Color::kGray ? 1 : 3;
  const std::vector<uint8_t> gray =
      color == Color::kGray ? to_gray(picture) : std::vector<uint8_t>();
  const uint8_t* from = color == Color::kGray ? gray.data() : picture.rgb.data();
  const size_t channel_step = layout == Layout::kNchw ? pixels : 1;
  const size_t pixel_step = layout == Layout::kNchw ? 1 : channels;
  std::vector<float> values(channels * pixels);
  for (size_t c = 0; c < channels; ++c) {
    const size_t source = color == Color::kBgr ? 2 - c : c;
    const auto& level = levels.of_channel[source];
    const uint8_t* in = from + source;
    float* out = values.data() + c * channel_step;
    for (size_t i = 0; i < pixels; ++i) out[i * pixel_step] = level[in[i * channels]];
  }
  const int64_t count = static_cast<int64_t>(channels);
  const Shape shape = layout == Layout::kNchw ? Shape{count, picture.height, picture.width}
                                              : Shape{picture.height, picture.width, count};
  return Tensor::of<float>(shape, std::move(values));
}

}  // namespace halftone
