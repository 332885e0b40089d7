#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/base/json_text.h"
#include "halftone/data/file_bytes.h"
#include "halftone/data/preprocess.h"

namespace halftone {
namespace {

using Json = nlohmann::json;

const Preprocess kImagenet{
    .resize = 256, .crop = 224, .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};
// 32x32 as they are.
const Preprocess kCifar10{.mean = kImagenet.mean, .std = kImagenet.std};

// What is being read, for messages, and one reader a kind of value.
class Reader {
 public:
  Reader(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  template <typename... Parts>
  [[noreturn]] void fail(const std::string& key, const Parts&... parts) const {
    const size_t at = text_.find('"' + key + '"');
    const auto line =
        1 + std::count(text_.begin(),
                       text_.begin() + static_cast<ptrdiff_t>(std::min(at, text_.size())), '\n');
    if (at == std::string_view::npos) throw Error(origin_, ": '", key, "' ", parts...);
    throw Error(origin_, ", line ", line, ": '", key, "' ", parts...);
  }

  int side(const std::string& key, const Json& value) const {
    if (!value.is_number_integer() || value < 1 || value > 65536)
      fail(key, "takes a whole number of pixels, 1 to 65536, not ", shorten(value));
    return value.get<int>();
  }

  // The one of `choices` that is named.
  template <typename T>
  T choice(const std::string& key, const Json& value,
           const std::vector<std::pair<const char*, T>>& choices) const {
    std::string allowed;
    for (const auto& [name, result] : choices) {
      if (value.is_string() && value.get_ref<const std::string&>() == name) return result;
      allowed += (allowed.empty() ? "\"" : " or \"") + std::string(name) + "\"";
    }
    fail(key, "takes ", allowed, ", not ", shorten(value));
  }

  std::vector<double> channels(const std::string& key, const Json& value) const {
    const auto is_number = [](const Json& entry) {
      return entry.is_number() &&
             std::abs(entry.get<double>()) <= std::numeric_limits<float>::max();
    };
    if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_number))
      fail(key, "takes a list of numbers, one a channel, not ", shorten(value));
    return value.get<std::vector<double>>();
  }

 private:
  static std::string shorten(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return text.size() > 40 ? text.substr(0, 40) + "..." : text;
  }

  std::string_view text_;
  const std::string& origin_;
};

constexpr const char* kKeys = "resize, crop, interpolation, mean, std, color, layout";

void check_channels(const Preprocess& preprocess, const Reader& reader) {
  const size_t wanted = preprocess.color == Preprocess::Color::kGray ? 1 : 3;
  const auto check = [&](const char* key, const std::vector<double>& values) {
    if (!values.empty() && values.size() != wanted)
      reader.fail(key, "has ", values.size(), " numbers, but there ",
                  wanted == 1 ? "is 1 channel" : "are 3 channels");
  };
  check("mean", preprocess.mean);
  check("std", preprocess.std);
  for (double std : preprocess.std)
    // The divisor is the number as float32, which must not vanish either.
    if (!(static_cast<float>(std) > 0))
      reader.fail("std", "takes numbers above 0 (as float32), not ", std);
}

// Shortest text that reads back as the same number.
std::string number(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string list(const std::vector<double>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? ", " : "") + number(values[i]);
  return text + "]";
}

}  // namespace

Preprocess parse_preprocess(std::string_view text, const std::string& origin) {
  Json json;
  try {
    json = parse_json(text);
  } catch (const Error& error) {
    throw Error(origin, ": ", error.what());
  }
  if (!json.is_object()) throw Error(origin, ": a JSON object is expected, with the keys ", kKeys);
  const Reader reader(text, origin);
  Preprocess result;
  for (const auto& [key, value] : json.items()) {
    if (key == "resize") {
      result.resize = reader.side(key, value);
    } else if (key == "crop") {
      result.crop = reader.side(key, value);
    } else if (key == "interpolation") {
      result.interpolation = reader.choice<Interpolation>(
          key, value,
          {{"bilinear", Interpolation::kBilinear}, {"bicubic", Interpolation::kBicubic}});
    } else if (key == "mean") {
      result.mean = reader.channels(key, value);
    } else if (key == "std") {
      result.std = reader.channels(key, value);
    } else if (key == "color") {
      result.color = reader.choice<Preprocess::Color>(key, value,
                                                      {{"rgb", Preprocess::Color::kRgb},
                                                       {"bgr", Preprocess::Color::kBgr},
                                                       {"gray", Preprocess::Color::kGray}});
    } else if (key == "layout") {
      result.layout = reader.choice<Preprocess::Layout>(
          key, value, {{"nchw", Preprocess::Layout::kNchw}, {"nhwc", Preprocess::Layout::kNhwc}});
    } else {
      reader.fail(key, "is not known; the keys are ", kKeys);
    }
  }
  check_channels(result, reader);
  return result;
}

std::string Preprocess::to_json() const {
  std::string text;
  const auto add = [&](const char* key, const std::string& value) {
    text += (text.empty() ? "{\"" : ", \"") + std::string(key) + "\": " + value;
  };
  if (resize) add("resize", std::to_string(*resize));
  if (crop) add("crop", std::to_string(*crop));
  if (interpolation == Interpolation::kBicubic) add("interpolation", "\"bicubic\"");
  if (!mean.empty()) add("mean", list(mean));
  if (!std.empty()) add("std", list(std));
  if (color != Color::kRgb) add("color", color == Color::kBgr ? "\"bgr\"" : "\"gray\"");
  if (layout == Layout::kNhwc) add("layout", "\"nhwc\"");
  return text.empty() ? "{}" : text + "}";
}

Preprocess load_preprocess(const std::string& preset_or_file) {
  if (preset_or_file == "imagenet") return kImagenet;
  if (preset_or_file == "cifar10") return kCifar10;
  if (!std::filesystem::exists(preset_or_file))
    throw UsageError("preprocessing '", preset_or_file,
                     "' is neither a preset (imagenet, cifar10) nor a JSON file that exists");
  const auto file = FileBytes::open(preset_or_file);
  if (file->size() > (1 << 20))
    throw Error("'", preset_or_file, "' is too large for preprocessing JSON");
  const auto bytes = file->read_all();
  return parse_preprocess({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                          "preprocessing '" + preset_or_file + "'");
}

}  // namespace halftone
