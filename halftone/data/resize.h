// Resampling of images as Pillow does it, bit for bit.
//
//   Image small = resize(image, 341, 256, Interpolation::kBicubic);
//   Image centre = resize(image, 341, 256, Interpolation::kBicubic, {58, 16, 224, 224});
//
// Pillow's convolution (ImagingResample): when shrinking, the filter is widened by the factor
// (antialiasing); weights are normalised and rounded to 22 fractional bits; a horizontal pass,
// rounded to 8 bits, then a vertical one. As in Pillow 13 the vertical one comes first where the
// height loses more than twice as many pixels as the width; Pillow 12 and older differ there,
// mostly by a grey level.
#pragma once

#include "halftone/data/image.h"

namespace halftone {

enum class Interpolation { kBilinear, kBicubic };  // bicubic: a = -0.5

// A part of an image, in pixels.
struct Region {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

// `image` resized to width x height (both > 0).
Image resize(const Image& image, int width, int height, Interpolation interpolation);

// The same, but only `region` of the result is computed: what crop(resize(...)) gives, in less
// time. Throws Error where the region does not lie in width x height.
Image resize(const Image& image, int width, int height, Interpolation interpolation,
             const Region& region);

}  // namespace halftone
