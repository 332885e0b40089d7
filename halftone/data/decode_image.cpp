#include "halftone/data/decode_image.h"

#include <algorithm>
#include <cstring>

#include "halftone/base/error.h"

namespace halftone {

void check_pixel_count(const std::string& name, uint64_t width, uint64_t height,
                       uint64_t plausible) {
  constexpr uint64_t kMostPixels = uint64_t{1} << 27;
  if (width == 0 || height == 0) throw Error("decoding '", name, "': the image has no pixels");
  if (width * height > std::min(plausible, kMostPixels))
    throw Error("decoding '", name, "': the header says ", width, "x", height,
                " pixels, more than the file can hold (or than 2^27); is it damaged?");
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  const auto starts_with = [&](std::string_view magic) {
    return bytes.size() >= magic.size() &&
           std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  if (starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, name);
  if (starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, name);
  if (bytes.empty()) throw Error("decoding '", name, "': the file is empty");
  throw Error("decoding '", name, "': neither a JPEG nor a PNG by its first bytes");
}

}  // namespace halftone
