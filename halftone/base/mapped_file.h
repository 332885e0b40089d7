// A file's bytes without copying them: mapped read-only into memory.
//
//   auto file = MappedFile::open("model.onnx");
//   std::span<const std::byte> bytes = file->bytes();   // valid as long as `file` is held
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace halftone {

class MappedFile {
 public:
  // Throws Error naming the path where it cannot be opened, is not a regular file, or cannot be
  // mapped.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace halftone
