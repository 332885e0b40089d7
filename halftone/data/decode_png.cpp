#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/data/decode_image.h"

namespace halftone {
namespace {

// Where libpng reads from and where its error goes.
struct Source {
  std::span<const std::byte> rest;
  char message[256] = "";
};

void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->message, message, sizeof source->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->rest.size()) png_error(png, "the file ends too early");
  std::memcpy(out, source->rest.data(), count);
  source->rest = source->rest.subspan(count);
}

struct Decoder {
  Source source;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Decoder(std::span<const std::byte> bytes) {
    source.rest = bytes;
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
    info = png ? png_create_info_struct(png) : nullptr;
  }
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

// The functions below are skipped by longjmp: nothing with a destructor lives in them. They return
// false where libpng failed; the message is in decoder.source.
bool read_header(Decoder& decoder) {
  png_structp png = decoder.png;
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_read_fn(png, &decoder.source, on_read);
  png_set_chunk_malloc_max(png, png_alloc_size_t{1} << 20);  // text and colour profiles, not pixels
  png_read_info(png, decoder.info);
  return true;
}

// Asks for 8-bit channels: grey or RGB, 16-bit grey alone staying at 16 bits. Returns bytes a
// pixel, 0 on failure.
size_t set_transforms(Decoder& decoder) {
  png_structp png = decoder.png;
  if (setjmp(png_jmpbuf(png))) return 0;
  const int type = png_get_color_type(png, decoder.info);
  const int depth = png_get_bit_depth(png, decoder.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (depth == 16 && type != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png);
  // A palette with transparency has become RGBA.
  if ((type & PNG_COLOR_MASK_ALPHA) || type == PNG_COLOR_TYPE_PALETTE) png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, decoder.info);
  return png_get_rowbytes(png, decoder.info) / png_get_image_width(png, decoder.info);
}

bool read_pixels(Decoder& decoder, uint8_t* rows, size_t stride) {
  png_structp png = decoder.png;
  if (setjmp(png_jmpbuf(png))) return false;
  const png_uint_32 height = png_get_image_height(png, decoder.info);
  const int passes = png_get_interlace_type(png, decoder.info) == PNG_INTERLACE_ADAM7 ? 7 : 1;
  for (int pass = 0; pass < passes; ++pass)
    for (png_uint_32 y = 0; y < height; ++y) png_read_row(png, rows + y * stride, nullptr);
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes, const std::string& name) {
  Decoder decoder(bytes);
  if (!decoder.info) throw Error("decoding PNG '", name, "': libpng cannot start (out of memory?)");
  const auto fail = [&] {
    throw Error("decoding PNG '", name, "': ", decoder.source.message,
                "; is the file damaged or truncated?");
  };
  if (!read_header(decoder)) fail();
  const uint64_t width = png_get_image_width(decoder.png, decoder.info);
  const uint64_t height = png_get_image_height(decoder.png, decoder.info);
  const uint64_t bits = uint64_t{png_get_bit_depth(decoder.png, decoder.info)} *
                        png_get_channels(decoder.png, decoder.info);
  // Deflate gives at most 1032 bytes for one.
  check_pixel_count(name, width, height, 4096 + 1100 * 8 * uint64_t{bytes.size()} / bits);

  const size_t pixel_bytes = set_transforms(decoder);
  if (pixel_bytes == 0) fail();
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  image.rgb.resize(3 * width * height);
  if (pixel_bytes == 3) {
    if (!read_pixels(decoder, image.rgb.data(), 3 * width)) fail();
    return image;
  }
  std::vector<uint8_t> grey(pixel_bytes * width * height);
  if (!read_pixels(decoder, grey.data(), pixel_bytes * width)) fail();
  for (size_t i = 0; i < width * height; ++i) {
    uint8_t value = grey[pixel_bytes * i];
    if (pixel_bytes == 2) value = value != 0 ? 255 : grey[2 * i + 1];  // Pillow clips 16-bit grey
    image.rgb[3 * i] = image.rgb[3 * i + 1] = image.rgb[3 * i + 2] = value;
  }
  return image;
}

}  // namespace halftone
