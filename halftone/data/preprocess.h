// How the pixels of an image become the floats of a model's input; as JSON in a file and in an ONNX
// file's metadata.
//
//   Preprocess preprocess = load_preprocess("imagenet");          // a preset's name or a JSON file
//   Tensor input = preprocess.apply(decode_image(bytes, name), name);   // float32 [3,224,224]
//   model.set_metadata(kPreprocessKey, preprocess.to_json());
//
// JSON, every key optional; {} is pixel / 255 at the image's own size:
//
//   {"resize": 256, "crop": 224, "interpolation": "bicubic", "mean": [0.485, 0.456, 0.406],
//    "std": [0.229, 0.224, 0.225], "color": "rgb", "layout": "nchw"}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "halftone/data/image.h"
#include "halftone/data/resize.h"
#include "halftone/graph/tensor.h"

namespace halftone {

// The key of an ONNX file's metadata under which an output file carries its preprocessing.
inline constexpr const char* kPreprocessKey = "halftone.preprocess";

struct Preprocess {
  enum class Color { kRgb, kBgr, kGray };  // gray: one channel, Pillow's convert("L")
  enum class Layout { kNchw, kNhwc };

  // Pixels of the shorter side; the longer keeps the aspect, rounded half to even.
  std::optional<int> resize = {};
  // Side of the central square; offsets are floored.
  std::optional<int> crop = {};
  Interpolation interpolation = Interpolation::kBilinear;
  // In units of pixel / 255: red, green, blue whatever `color` says; one number for gray. Empty: 0
  // and 1.
  std::vector<double> mean = {};
  std::vector<double> std = {};
  Color color = Color::kRgb;
  Layout layout = Layout::kNchw;

  // float32 [channels, height, width] or [height, width, channels]: (pixel / 255 - mean) / std,
  // each step rounded to float32, as numpy does with float32 arrays. `name` is for messages. Throws
  // Error naming the image where it is smaller than the crop.
  Tensor apply(const Image& image, const std::string& name) const;

  // One line, keys in a fixed order, only those that differ from the default; parse_preprocess
  // gives back an equal value.
  std::string to_json() const;

  bool operator==(const Preprocess&) const = default;
};

// Throws Error that starts with `origin` (a file's name, or where the text came from), with the
// line, the key and what is allowed there.
Preprocess parse_preprocess(std::string_view json, const std::string& origin);

// "imagenet", "cifar10", or the path of a JSON file. Throws UsageError where it is neither.
Preprocess load_preprocess(const std::string& preset_or_file);

}  // namespace halftone
