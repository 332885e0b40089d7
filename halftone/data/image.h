// An image in memory, and how it comes out of a JPEG or PNG file.
//
//   auto file = FileBytes::open("cat.jpg");
//   Image image = decode_image(file->read_all(), file->name());
//   uint8_t red = image.rgb[3 * (y * image.width + x)];
//
// The pixels are those of Pillow's Image.open(...).convert("RGB"), bit for bit: grey is repeated,
// palettes are looked up, alpha is dropped (not blended), CMYK goes through Pillow's formula,
// 16-bit colour keeps its high byte, and 16-bit grey is clipped at 255 (which is what Pillow does,
// odd as it is). Orientation tags are not applied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace halftone {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3], red first
  bool operator==(const Image&) const = default;
};

// Tells JPEG from PNG by the first bytes, not by `name`, which is for messages.
// Throws Error naming it where it is neither, is truncated or corrupt (also where a JPEG decoder
// would paper over it with grey), or has more pixels than its size can hold: a JPEG 1024 a byte, a
// PNG 1100 bytes of pixels a byte, both at most 2^27.
Image decode_image(std::span<const std::byte> bytes, const std::string& name);

}  // namespace halftone
