#include "halftone/data/npy.h"

#include <algorithm>
#include <utility>

#include "halftone/base/error.h"

namespace halftone {

NpyArray::NpyArray(std::shared_ptr<const FileBytes> file, uint64_t offset, uint64_t size,
                   std::string name)
    : file_(std::move(file)), offset_(offset), name_(std::move(name)) {
  header_ = parse_npy_header(file_->read(offset, std::min(size, kNpyHeaderBytes)), name_);
  check_npy_size(header_, size, name_);
  offset_ += header_.data_offset;
}

void check_npy_size(const NpyHeader& header, uint64_t size, const std::string& name) {
  const auto count = static_cast<uint64_t>(element_count(header.shape));
  if (count == 0)
    throw Error("array '", name, "' of shape ", to_string(header.shape), " has no elements");
  // Divided, not multiplied: count may be 2^62.
  const uint64_t data_bytes = size - std::min(size, header.data_offset);
  if (data_bytes / bytes_of(header.dtype, 1) < count)
    throw Error("array '", name, "': the header says ", name_of(header.dtype),
                to_string(header.shape), ", but only ", data_bytes,
                " bytes follow; is the file truncated?");
}

Shape NpyArray::row_shape() const {
  const Shape& shape = header_.shape;
  return shape.empty() ? Shape{} : Shape(shape.begin() + 1, shape.end());
}

Tensor NpyArray::row(uint64_t i) const {
  if (i >= rows())
    throw Error("array '", name_, "' has ", rows(), " rows; row ", i, " is asked for");
  const Shape shape = row_shape();
  const uint64_t bytes = bytes_of(header_.dtype, static_cast<uint64_t>(element_count(shape)));
  return Tensor::from_bytes(header_.dtype, shape, file_->read(offset_ + i * bytes, bytes));
}

Tensor NpyArray::all() const {
  const uint64_t bytes =
      bytes_of(header_.dtype, static_cast<uint64_t>(element_count(header_.shape)));
  return Tensor::from_bytes(header_.dtype, header_.shape, file_->read(offset_, bytes));
}

NpyArray open_npy(const std::shared_ptr<const FileBytes>& file) {
  return NpyArray(file, 0, file->size(), file->name());
}

NpzMember::NpzMember(std::shared_ptr<const FileBytes> file, ZipMember member)
    : file_(std::move(file)), member_(std::move(member)) {
  header_ = parse_npy_header(read_member_start(*file_, member_, kNpyHeaderBytes, name()), name());
}

std::string NpzMember::name() const { return file_->name() + ":" + member_.name; }

void NpzMember::check_size() const { check_npy_size(header_, member_.size, name()); }

NpyArray NpzMember::open() const {
  const auto [bytes, offset] = open_member(file_, member_, name());
  return NpyArray(bytes, offset, member_.size, name());
}

std::map<std::string, NpzMember> open_npz(const std::shared_ptr<const FileBytes>& file) {
  std::map<std::string, NpzMember> arrays;
  for (ZipMember& member : read_zip_index(*file)) {
    if (!member.name.ends_with(".npy"))
      throw Error("'", file->name(), "' is no .npz file: its member '", member.name,
                  "' is no .npy array");
    std::string name = member.name.substr(0, member.name.size() - 4);
    arrays.emplace(std::move(name), NpzMember(file, std::move(member)));
  }
  return arrays;
}

}  // namespace halftone
