// Bytes of .npy and .npz files for tests.
//
//   folder.write("x.npz", make_npz({{"image", make_npy<float>({2, 3}, values)}, {"label", ...}}));
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "halftone/data/npy.h"

namespace halftone {

template <typename T>
std::string make_npy(const Shape& shape, const std::vector<T>& values) {
  return make_npy_header(dtype_of<T>(), shape) +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Members are stored, not compressed. Names without ".npy".
inline std::string make_npz(const std::vector<std::pair<std::string, std::string>>& arrays) {
  const auto number = [](uint64_t value, int bytes) {
    std::string text;
    for (; bytes > 0; --bytes, value >>= 8) text += static_cast<char>(value & 255);
    return text;
  };
  std::string archive, directory;
  for (const auto& [array, content] : arrays) {
    const std::string name = array + ".npy";
    const uLong crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    const std::string common = number(20, 2) + number(0, 8) + number(crc, 4) +
                               number(content.size(), 4) + number(content.size(), 4) +
                               number(name.size(), 2) + number(0, 2);
    directory +=
        "PK\x01\x02" + number(20, 2) + common + number(0, 10) + number(archive.size(), 4) + name;
    archive += "PK\x03\x04" + common + name + content;
  }
  return archive + directory + "PK\x05\x06" + number(0, 4) + number(arrays.size(), 2) +
         number(arrays.size(), 2) + number(directory.size(), 4) + number(archive.size(), 4) +
         number(0, 2);
}

}  // namespace halftone
