#include "halftone/data/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "halftone/data/file_bytes.h"
#include "tests/message_of.h"

namespace halftone {
namespace {

using testing::HasSubstr;

const std::string kImages = HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/image/";

std::vector<std::byte> read(const std::string& file) {
  return FileBytes::open(kImages + file)->read_all();
}

struct Golden {
  const char* file;
  uint32_t crc;  // of Pillow's Image.open(file).convert("RGB"), 23x19
};

// Printed by tests/fuzz/make_data_corpus.py with Pillow 13.0 (libjpeg-turbo 3.2).
constexpr Golden kGoldens[] = {
    {"420.jpg", 0x2aecc621},        {"444.jpg", 0x3632d4cc},  {"progressive.jpg", 0x2aecc621},
    {"restart.jpg", 0x2aecc621},    {"gray.jpg", 0xb6529396}, {"cmyk.jpg", 0x73607056},
    {"rgb.png", 0xe75c952f},        {"rgba.png", 0xe75c952f}, {"gray.png", 0x17f534fa},
    {"gray_alpha.png", 0x17f534fa}, {"bit.png", 0xea2cfdf8},  {"palette4.png", 0x86638a22},
    {"gray16.png", 0x5abdd96e},
};

TEST(DecodeImage, GivesThePixelsOfPillow) {
  for (const Golden& golden : kGoldens) {
    const Image image = decode_image(read(golden.file), golden.file);
    EXPECT_EQ(image.width, 23) << golden.file;
    EXPECT_EQ(image.height, 19) << golden.file;
    ASSERT_EQ(image.rgb.size(), 3u * 23 * 19) << golden.file;
    EXPECT_EQ(crc32(0, image.rgb.data(), static_cast<uInt>(image.rgb.size())), golden.crc)
        << golden.file;
  }
}

TEST(DecodeImage, NamesTheFileThatIsNoImage) {
  const std::string text = "no image at all";
  EXPECT_THAT(message_of([&] { decode_image(std::as_bytes(std::span(text)), "cat/17.jpg"); }),
              HasSubstr("cat/17.jpg"));
  EXPECT_THAT(message_of([&] { decode_image({}, "cat/18.jpg"); }), HasSubstr("cat/18.jpg"));
}

TEST(DecodeImage, RejectsEveryTruncatedFile) {
  for (const Golden& golden : kGoldens) {
    const auto bytes = read(golden.file);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_THAT(message_of([&] { decode_image(std::span(bytes).first(size), golden.file); }),
                  HasSubstr(golden.file))
          << size << " of " << bytes.size() << " bytes";
  }
}

TEST(DecodeImage, RejectsJpegWhoseMiddleIsZeroed) {
  auto bytes = read("444.jpg");
  std::fill(bytes.end() - 60, bytes.end() - 2, std::byte{0x55});
  EXPECT_THAT(message_of([&] { decode_image(bytes, "hole.jpg"); }), HasSubstr("hole.jpg"));
}

TEST(DecodeImage, DoesNotAllocateWhatAHeaderClaims) {
  // Width and height of a JPEG stand 5 bytes behind its SOF0 marker.
  auto jpeg = read("444.jpg");
  size_t frame = 0;
  while (!(jpeg[frame] == std::byte{0xff} && jpeg[frame + 1] == std::byte{0xc0})) ++frame;
  std::fill_n(jpeg.begin() + static_cast<ptrdiff_t>(frame) + 5, 4, std::byte{0xe0});
  EXPECT_THAT(message_of([&] { decode_image(jpeg, "huge.jpg"); }), HasSubstr("57568x57568"));

  auto png = read("rgb.png");
  const auto dimension =
      std::to_array({std::byte{0}, std::byte{1}, std::byte{0}, std::byte{0}});  // 65536
  std::copy(dimension.begin(), dimension.end(), png.begin() + 16);
  std::copy(dimension.begin(), dimension.end(), png.begin() + 20);
  const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17);
  for (size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
  EXPECT_THAT(message_of([&] { decode_image(png, "huge.png"); }), HasSubstr("65536x65536"));
}

}  // namespace
}  // namespace halftone
