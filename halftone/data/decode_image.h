// The decoders behind decode_image(); not for use elsewhere.
//
//   Image image = decode_jpeg(bytes, "cat.jpg");
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "halftone/data/image.h"

namespace halftone {

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name);
Image decode_png(std::span<const std::byte> bytes, const std::string& name);

// Called with what the header says, before anything of that size is allocated.
// Throws Error naming the image where width * height exceeds `plausible` or 2^27 pixels.
void check_pixel_count(const std::string& name, uint64_t width, uint64_t height,
                       uint64_t plausible);

}  // namespace halftone
