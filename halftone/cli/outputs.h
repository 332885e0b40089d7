// Where results go: what cannot take them is told before the work, not after it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace halftone::cli {

// Throws UsageError where `output` is a folder or one of `sources`, which would be lost, and Error
// where its folder does not exist. An empty output asks for nothing.
void require_writable(const std::string& output, const std::vector<std::string>& sources = {});

// A whole file or the old one. Throws Error naming it where it cannot be written.
void write_text(const std::string& path, const std::string& content);

uint64_t file_bytes(const std::string& path);

}  // namespace halftone::cli
