// What the fuzz targets of data/ and the robustness test do with arbitrary bytes: read them as far
// as a user could.
//
//   read_image(bytes);     // returns, or throws Error; anything else is a bug
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "halftone/base/error.h"
#include "halftone/data/byte_images.h"
#include "halftone/data/class_list.h"
#include "halftone/data/image.h"
#include "halftone/data/npy.h"
#include "halftone/data/preprocess.h"

namespace halftone::fuzz {

using Bytes = std::span<const std::byte>;

inline std::shared_ptr<const FileBytes> as_file(Bytes bytes) {
  auto file = FileBytes::temporary("input");
  file->append(bytes);
  return file;
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void read_image(Bytes bytes) {
  Preprocess preprocess;
  preprocess.resize = 8;
  preprocess.crop = 8;
  preprocess.interpolation = Interpolation::kBicubic;
  preprocess.apply(decode_image(bytes, "input"), "input");
}

inline void read_rows(const NpyArray& array) {
  array.row(0);
  array.row(array.rows() - 1);
  array.all();
}

inline void read_npy(Bytes bytes) { read_rows(open_npy(as_file(bytes))); }

inline void read_npz(Bytes bytes) {
  for (const auto& [name, member] : open_npz(as_file(bytes))) read_rows(member.open());
}

inline void read_idx(Bytes bytes) {
  auto file = as_file(bytes);
  if (as_text(bytes).starts_with("\x1f\x8b")) {
    std::shared_ptr<const FileBytes> packed = file;
    packed = inflate_gzip(*packed);
    open_idx(packed, nullptr, Preprocess{}, {})->load(0);
    return;
  }
  const auto data = open_idx(file, nullptr, Preprocess{}, {});
  data->load(data->size() - 1);
}

// What is accepted must also survive being written and read again.
inline void read_preprocess(Bytes bytes) {
  const Preprocess preprocess = parse_preprocess(as_text(bytes), "input");
  if (!(parse_preprocess(preprocess.to_json(), "to_json") == preprocess)) __builtin_trap();
}

inline void read_class_list(Bytes bytes) { parse_class_list(as_text(bytes), "input"); }

}  // namespace halftone::fuzz
