// Where results go: what cannot take them is told before the work, not after it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace halftone::cli {

// The files of a command, by path; empty ones are options that were not given.
struct Files {
  std::vector<std::string> read = {}, written = {};
};

// Throws UsageError where something written is a folder, is read too, which would lose it, or is
// written twice, and Error where its folder does not exist.
void require_writable(const Files& files);

// A whole file or the old one. Throws Error naming it where it cannot be written.
void write_text(const std::string& path, const std::string& content);

uint64_t file_bytes(const std::string& path);

}  // namespace halftone::cli
