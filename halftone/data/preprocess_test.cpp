#include "halftone/data/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string parse_error(const std::string& json) {
  try {
    parse_preprocess(json, "pre.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Image random_image(int width, int height) {
  Rng rng(4);
  Image image{width, height, std::vector<uint8_t>(3 * static_cast<size_t>(width * height))};
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(rng.below(256));
  return image;
}

TEST(Preprocess, ReadsEveryKey) {
  const Preprocess read =
      parse_preprocess(R"({"resize": 256, "crop": 224, "interpolation": "bicubic",
      "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "color": "bgr", "layout": "nhwc"})",
                       "x");
  const Preprocess wanted{.resize = 256,
                          .crop = 224,
                          .interpolation = Interpolation::kBicubic,
                          .mean = {0.1, 0.2, 0.3},
                          .std = {1, 2, 3},
                          .color = Preprocess::Color::kBgr,
                          .layout = Preprocess::Layout::kNhwc};
  EXPECT_EQ(read, wanted);
  EXPECT_EQ(parse_preprocess("{}", "x"), Preprocess{});
}

TEST(Preprocess, SurvivesBeingWrittenAndRead) {
  Rng rng(5);
  for (int trial = 0; trial < 500; ++trial) {
    Preprocess preprocess;
    if (rng.below(2)) preprocess.resize = 1 + static_cast<int>(rng.below(1000));
    if (rng.below(2)) preprocess.crop = 1 + static_cast<int>(rng.below(1000));
    if (rng.below(2)) preprocess.interpolation = Interpolation::kBicubic;
    preprocess.color = static_cast<Preprocess::Color>(rng.below(3));
    preprocess.layout = static_cast<Preprocess::Layout>(rng.below(2));
    const size_t channels = preprocess.color == Preprocess::Color::kGray ? 1 : 3;
    for (size_t c = 0; c < channels; ++c) {
      preprocess.mean.push_back(rng.uniform() - 0.5);
      preprocess.std.push_back(rng.uniform() + 1e-3);
    }
    ASSERT_EQ(parse_preprocess(preprocess.to_json(), "x"), preprocess) << preprocess.to_json();
    ASSERT_EQ(parse_preprocess(preprocess.to_json(), "x").to_json(), preprocess.to_json());
  }
}

TEST(Preprocess, WritesWhatAPersonWouldWrite) {
  EXPECT_EQ(load_preprocess("imagenet").to_json(),
            R"({"resize": 256, "crop": 224, "mean": [0.485, 0.456, 0.406], )"
            R"("std": [0.229, 0.224, 0.225]})");
  EXPECT_EQ(load_preprocess("cifar10").to_json(),
            R"({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]})");
  EXPECT_EQ(Preprocess{}.to_json(), "{}");
}

TEST(Preprocess, NamesLineAndKeyOfAMistake) {
  EXPECT_THAT(parse_error("{\n\"crop\": 3,\n\"meen\": [0]}"),
              AllOf(HasSubstr("pre.json, line 3"), HasSubstr("meen"), HasSubstr("mean")));
  EXPECT_THAT(parse_error("{\"resize\": \"big\"}"), AllOf(HasSubstr("resize"), HasSubstr("big")));
  EXPECT_THAT(parse_error("{\"crop\": 0}"), HasSubstr("crop"));
  EXPECT_THAT(parse_error("{\"crop\": 2.5}"), HasSubstr("2.5"));
  EXPECT_THAT(parse_error("{\"interpolation\": \"lanczos\"}"),
              AllOf(HasSubstr("lanczos"), HasSubstr("bicubic")));
  EXPECT_THAT(parse_error("{\"mean\": [1, 2]}"), AllOf(HasSubstr("mean"), HasSubstr("3 channels")));
  EXPECT_THAT(parse_error("{\"mean\": [1, 2, \"x\"]}"), HasSubstr("mean"));
  EXPECT_THAT(parse_error("{\"mean\": [1, 2, 1e300]}"), HasSubstr("mean"));
  EXPECT_THAT(parse_error("{\"std\": [1, 0, 1]}"), HasSubstr("std"));
  EXPECT_THAT(parse_error("{\"std\": [1, 1e-60, 1]}"), HasSubstr("std"));
  EXPECT_THAT(parse_error("{\"color\": \"gray\", \"mean\": [1, 1, 1]}"), HasSubstr("1 channel"));
  EXPECT_THAT(parse_error("[]"), HasSubstr("pre.json"));
  EXPECT_THAT(parse_error("{\n\n  nonsense"), AllOf(HasSubstr("pre.json"), HasSubstr("line 3")));
  EXPECT_THROW(load_preprocess("imagnet"), UsageError);
}

TEST(Preprocess, ReadsAFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(load_preprocess(folder.write("p.json", "{\"crop\": 7}").string()).crop, 7);
}

TEST(Preprocess, ComputesInFloat32StepByStep) {
  const Image image = random_image(6, 5);
  const Preprocess preprocess{.mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};
  const Tensor tensor = preprocess.apply(image, "x");
  ASSERT_EQ(tensor.shape(), (Shape{3, 5, 6}));
  const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < 30; ++i)
      ASSERT_EQ(tensor.elements<float>()[c * 30 + i],
                (static_cast<float>(image.rgb[3 * i + c]) / 255.0f - mean[c]) / std[c]);
}

TEST(Preprocess, OrdersChannels) {
  const Image image = random_image(4, 3);
  Preprocess preprocess{.mean = {0.1, 0.2, 0.3}, .std = {1, 2, 3}};
  const auto rgb = preprocess.apply(image, "x").to_vector<float>();
  preprocess.color = Preprocess::Color::kBgr;
  const auto bgr = preprocess.apply(image, "x").to_vector<float>();
  preprocess.layout = Preprocess::Layout::kNhwc;
  const Tensor last = preprocess.apply(image, "x");
  EXPECT_EQ(last.shape(), (Shape{3, 4, 3}));
  for (size_t c = 0; c < 3; ++c) {
    for (size_t i = 0; i < 12; ++i) {
      EXPECT_EQ(bgr[c * 12 + i], rgb[(2 - c) * 12 + i]);
      EXPECT_EQ(last.elements<float>()[3 * i + c], bgr[c * 12 + i]);
    }
  }
}

TEST(Preprocess, ResizesTheShorterSideAndCropsTheCentre) {
  const Image image = random_image(21, 10);
  Preprocess preprocess{.resize = 5};
  EXPECT_EQ(preprocess.apply(image, "x").shape(), (Shape{3, 5, 10}));  // 10.5 rounds to even
  preprocess.crop = 4;
  EXPECT_EQ(preprocess.apply(image, "x").shape(), (Shape{3, 4, 4}));
  preprocess.resize = {};
  preprocess.crop = 7;
  const Tensor cropped = preprocess.apply(image, "x");  // offsets 7 and 1: 1.5 is floored
  EXPECT_EQ(cropped.elements<float>()[0], static_cast<float>(image.rgb[3 * (21 + 7)]) / 255.0f);
}

TEST(Preprocess, MakesOneChannelOfGray) {
  const Image image{1, 1, {200, 100, 50}};
  const Preprocess preprocess{.color = Preprocess::Color::kGray};
  const Tensor gray = preprocess.apply(image, "x");
  EXPECT_EQ(gray.shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(gray.item<float>(),
            124.0f / 255.0f);  // Pillow: Image.new("RGB", (1, 1), (200, 100, 50)).convert("L")
}

TEST(Preprocess, NamesTheImageThatIsSmallerThanTheCrop) {
  const Preprocess preprocess{.crop = 8};
  try {
    preprocess.apply(random_image(9, 7), "small.png");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("small.png"), HasSubstr("9x7"), HasSubstr("8")));
  }
}

}  // namespace
}  // namespace halftone
