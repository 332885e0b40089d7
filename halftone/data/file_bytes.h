// Bytes of a file, read where and when they are asked for: nothing is held in memory or mapped.
//
//   auto file = FileBytes::open("train.npz");
//   std::vector<std::byte> row(row_bytes);
//   file->read(offset, row);          // any thread
//
// A data set is larger than memory; a mapping of it would count as resident as it is walked
// through, so rows are read with pread into the buffer that becomes the tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace halftone {

class FileBytes {
 public:
  // Throws Error naming the path where it cannot be opened or is not a regular file.
  static std::shared_ptr<const FileBytes> open(const std::filesystem::path& path);
  // A file without a name in $TMPDIR (default /var/tmp, else /tmp), gone with its last holder.
  // `name` is for messages.
  static std::shared_ptr<FileBytes> temporary(std::string name);
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  // Fills `out` from `offset`. Throws Error naming the file where it ends before.
  void read(uint64_t offset, std::span<std::byte> out) const;
  std::vector<std::byte> read(uint64_t offset, uint64_t count) const;
  std::vector<std::byte> read_all() const { return read(0, size_); }
  // Only for a temporary file. Throws Error where the disk is full.
  void append(std::span<const std::byte> bytes);

 private:
  FileBytes(std::string name, int descriptor) : name_(std::move(name)), descriptor_(descriptor) {}
  std::string name_;
  int descriptor_;
  uint64_t size_ = 0;
};

// All bytes of `file` inflated (gzip format) into a temporary file. Throws Error naming the file
// where it is corrupt.
std::shared_ptr<const FileBytes> inflate_gzip(const FileBytes& file);

// `packed_size` bytes from `offset`, raw deflate, inflated into a temporary file. Throws Error
// where they do not give exactly `size` bytes with checksum `crc`.
std::shared_ptr<const FileBytes> inflate_raw(const FileBytes& file, uint64_t offset,
                                             uint64_t packed_size, uint64_t size, uint32_t crc,
                                             const std::string& name);

// The first `count` bytes of raw deflate data, in memory; fewer where fewer come out.
std::vector<std::byte> inflate_start(const FileBytes& file, uint64_t offset, uint64_t packed_size,
                                     uint64_t count, const std::string& name);

}  // namespace halftone
