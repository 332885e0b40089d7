// What a zip archive holds and where: as much of the format as .npz files use.
//
//   for (const ZipMember& member : read_zip_index(*file)) ...
//   auto inflated = open_member(file, member);   // its bytes, and where they start
//
// Stored and deflated members, sizes beyond 4 GB (zip64), no encryption, no archives in several
// parts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "halftone/data/file_bytes.h"

namespace halftone {

struct ZipMember {
  std::string name;
  bool is_deflated = false;
  uint32_t crc = 0;
  uint64_t data_offset = 0;  // in the archive
  uint64_t packed_size = 0;
  uint64_t size = 0;
};

// In the order of the archive's directory. Throws Error naming the file where it is no zip archive,
// is damaged, or uses what is not read here. Sizes are checked against the file: a member cannot
// announce more than deflate can hold.
std::vector<ZipMember> read_zip_index(const FileBytes& file);

// A file and the offset in it where the member's bytes stand plain. `name` is for messages.
std::pair<std::shared_ptr<const FileBytes>, uint64_t> open_member(
    const std::shared_ptr<const FileBytes>& file, const ZipMember& member, const std::string& name);

// The member's first `count` bytes, fewer where it is shorter.
std::vector<std::byte> read_member_start(const FileBytes& file, const ZipMember& member,
                                         uint64_t count, const std::string& name);

}  // namespace halftone
