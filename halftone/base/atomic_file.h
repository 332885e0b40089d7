// Writes a file so that a reader sees the old one or the whole new one, never a part.
//
//   AtomicFile file("out.onnx");
//   file.write(bytes);
//   file.commit();          // without it, nothing is left behind
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace halftone {

class AtomicFile {
 public:
  // Creates a temporary file in the folder of `path`. Throws Error where the folder is missing or
  // not writable.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws Error naming the path where the disk is full or fails.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  uint64_t size_bytes() const { return written_; }

  // Flushes to the disk and renames over `path`.
  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  uint64_t written_ = 0;
};

}  // namespace halftone
