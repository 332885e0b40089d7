// Arrays of numpy: .npy files, and the members of .npz files; rows along the first axis are read
// one by one.
//
//   auto arrays = open_npz(FileBytes::open("data.npz"));
//   NpyArray image = arrays.at("image").open();     // or open_npy(FileBytes::open("image.npy"))
//   Tensor third = image.row(2);                    // its shape is without the first axis
//
// Format: numpy.lib.format versions 1 to 3; types f2 f4 f8, i1 i2 i4 i8, u1 u2 u4 u8, b1,
// little-endian, C order. Rows of stored members (np.savez) are read where they lie. A compressed
// member (np.savez_compressed) has no way in but from its start: opened, it is inflated once into a
// temporary file ($TMPDIR), so that memory stays small however large it is; disk is what it costs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "halftone/data/file_bytes.h"
#include "halftone/data/zip.h"
#include "halftone/graph/tensor.h"

namespace halftone {

struct NpyHeader {
  DType dtype = DType::kUndefined;
  Shape shape;
  uint64_t data_offset = 0;  // from the start of the .npy
};

// `start`: the first bytes of an .npy, at least its header. Throws Error naming the array where it
// is malformed, of a type or an order that is not read, or longer than `start`.
NpyHeader parse_npy_header(std::span<const std::byte> start, const std::string& name);

// Throws Error naming the array where the header's elements do not fit an .npy of `size` bytes, or
// there are none.
void check_npy_size(const NpyHeader& header, uint64_t size, const std::string& name);

// Bytes of the start that parse_npy_header needs at most.
inline constexpr uint64_t kNpyHeaderBytes = uint64_t{1} << 16;

// The bytes that stand before the data of an .npy file (version 1), padded to a multiple of 64 as
// numpy does. Throws Error where numpy has no such type.
std::string make_npy_header(DType dtype, const Shape& shape);

class NpyArray {
 public:
  // The .npy that takes `size` bytes of `file` from `offset`. Throws Error naming it where header
  // and size do not fit, or where it has no elements.
  NpyArray(std::shared_ptr<const FileBytes> file, uint64_t offset, uint64_t size, std::string name);

  const std::string& name() const { return name_; }
  DType dtype() const { return header_.dtype; }
  const Shape& shape() const { return header_.shape; }
  // Elements along the first axis; 1 for a scalar.
  uint64_t rows() const {
    return header_.shape.empty() ? 1 : static_cast<uint64_t>(header_.shape[0]);
  }
  Shape row_shape() const;
  // Thread-safe.
  Tensor row(uint64_t i) const;
  Tensor all() const;

 private:
  std::shared_ptr<const FileBytes> file_;
  uint64_t offset_;  // of the data
  std::string name_;
  NpyHeader header_;
};

NpyArray open_npy(const std::shared_ptr<const FileBytes>& file);

// A member of an .npz file: its header is cheap to read, its data are opened when wanted.
class NpzMember {
 public:
  NpzMember(std::shared_ptr<const FileBytes> file, ZipMember member);
  // From the first bytes, inflating no more than those.
  const NpyHeader& header() const { return header_; }
  // Throws Error naming the array where the archive says fewer bytes than the header needs.
  void check_size() const;
  // Inflates a compressed member, anew at each call.
  NpyArray open() const;

 private:
  std::string name() const;
  std::shared_ptr<const FileBytes> file_;
  ZipMember member_;
  NpyHeader header_;
};

// By array name (".npy" taken off). Throws Error naming the file where it is no zip, or holds a
// member that is no .npy.
std::map<std::string, NpzMember> open_npz(const std::shared_ptr<const FileBytes>& file);

}  // namespace halftone
