// jpeglib.h uses FILE and size_t, jerror.h what jpeglib.h declares.
// clang-format off
#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <string>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/data/decode_image.h"

namespace halftone {
namespace {

// libjpeg reports errors by a callback that must not return: it jumps back into read_pixels.
struct ErrorHandler {
  jpeg_error_mgr manager;
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* handler = reinterpret_cast<ErrorHandler*>(info->err);
  handler->manager.format_message(info, handler->message);
  std::longjmp(handler->back, 1);
}

// Warnings after which part of the picture is invented are errors here; the others (odd markers,
// padding) are harmless.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      on_error(info);
    default:
      return;
  }
}

// A small progressive file can name thousands of scans over a large picture, each a pass over all
// of it.
void on_progress(j_common_ptr info) {
  constexpr int kMostScans = 100;
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number > kMostScans) {
    auto* handler = reinterpret_cast<ErrorHandler*>(info->err);
    std::snprintf(handler->message, sizeof handler->message, "more than %d scans", kMostScans);
    std::longjmp(handler->back, 1);
  }
}

// Everything the decoder holds, released by the destructor whichever way decoding ends.
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_progress_mgr progress{};
  ErrorHandler errors{};

  Decoder() {
    info.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = on_error;
    errors.manager.emit_message = on_message;
    progress.progress_monitor = on_progress;
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

// The two functions below are skipped by longjmp: nothing with a destructor lives in them. They
// return false where libjpeg failed; the message is in decoder.errors.
bool read_header(Decoder& decoder, std::span<const std::byte> bytes) {
  if (setjmp(decoder.errors.back)) return false;
  jpeg_create_decompress(&decoder.info);
  decoder.info.progress = &decoder.progress;
  jpeg_mem_src(&decoder.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&decoder.info, TRUE);
  return true;
}

// rows: `stride` bytes a row. Defaults of libjpeg as in Pillow: accurate integer DCT, fancy
// upsampling.
bool read_pixels(Decoder& decoder, uint8_t* rows, size_t stride) {
  if (setjmp(decoder.errors.back)) return false;
  jpeg_start_decompress(&decoder.info);
  while (decoder.info.output_scanline < decoder.info.output_height) {
    JSAMPROW row = rows + decoder.info.output_scanline * stride;
    jpeg_read_scanlines(&decoder.info, &row, 1);
  }
  jpeg_finish_decompress(&decoder.info);
  return true;
}

// round(a * b / 255) as Pillow writes it.
int multiply_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Pillow takes every four-channel JPEG as inverted (Adobe's habit), so what comes in is 255 - ink.
void cmyk_to_rgb(const std::vector<uint8_t>& cmyk, std::vector<uint8_t>& rgb) {
  for (size_t pixel = 0; pixel < cmyk.size() / 4; ++pixel) {
    const int light = cmyk[4 * pixel + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int ink = 255 - cmyk[4 * pixel + c];
      rgb[3 * pixel + c] = static_cast<uint8_t>(light - multiply_255(ink, light));
    }
  }
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  Decoder decoder;
  const auto fail = [&](const char* found) {
    throw Error("decoding JPEG '", name, "': ", found, "; is the file damaged or truncated?");
  };
  if (!read_header(decoder, bytes)) fail(decoder.errors.message);
  jpeg_decompress_struct& info = decoder.info;
  check_pixel_count(name, info.image_width, info.image_height,
                    4096 + 1024 * uint64_t{bytes.size()});
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4)
    throw Error("decoding JPEG '", name, "': ", info.num_components,
                " channels, where 1 (grey), 3 (colour) or 4 (CMYK) are understood");

  Image image{static_cast<int>(info.image_width), static_cast<int>(info.image_height), {}};
  const size_t pixels = size_t{info.image_width} * info.image_height;
  image.rgb.resize(3 * pixels);
  if (info.num_components < 4) {
    info.out_color_space = JCS_RGB;  // grey is repeated
    if (!read_pixels(decoder, image.rgb.data(), 3 * size_t{info.image_width}))
      fail(decoder.errors.message);
    return image;
  }
  info.out_color_space = JCS_CMYK;
  std::vector<uint8_t> cmyk(4 * pixels);
  if (!read_pixels(decoder, cmyk.data(), 4 * size_t{info.image_width}))
    fail(decoder.errors.message);
  cmyk_to_rgb(cmyk, image.rgb);
  return image;
}

}  // namespace halftone
