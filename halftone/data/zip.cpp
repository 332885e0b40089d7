#include "halftone/data/zip.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "halftone/base/error.h"

namespace halftone {
namespace {

// Little-endian fields of one record; reading past its end throws.
class Fields {
 public:
  Fields(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  uint64_t take(size_t width) {
    uint64_t value = 0;
    const auto field = take_bytes(width);
    for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<uint64_t>(field[i]);
    return value;
  }
  uint16_t take16() { return static_cast<uint16_t>(take(2)); }
  uint32_t take32() { return static_cast<uint32_t>(take(4)); }
  uint64_t take64() { return take(8); }
  std::span<const std::byte> take_bytes(size_t count) {
    if (count > bytes_.size())
      throw Error("zip archive '", file_, "': a record is cut short; is it damaged?");
    const auto result = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return result;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
};

struct Directory {
  uint64_t entries;
  uint64_t size;
  uint64_t offset;
};

constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kEnd64LocatorBytes = 20;
constexpr uint64_t kEnd64Bytes = 56;

// Where a field of 16 or 32 bits is all ones, the zip64 record has the value.
Directory read_end64(const FileBytes& file, uint64_t end_offset) {
  if (end_offset < kEnd64LocatorBytes)
    throw Error("zip archive '", file.name(), "': the zip64 record is missing");
  const auto locator = file.read(end_offset - kEnd64LocatorBytes, kEnd64LocatorBytes);
  Fields at(locator, file.name());
  if (at.take32() != 0x07064b50)
    throw Error("zip archive '", file.name(), "': the zip64 record is missing");
  at.take32();
  const auto record = file.read(at.take64(), kEnd64Bytes);
  Fields fields(record, file.name());
  if (fields.take32() != 0x06064b50)
    throw Error("zip archive '", file.name(), "': the zip64 record is damaged");
  fields.take_bytes(28);
  const uint64_t entries = fields.take64();
  const uint64_t size = fields.take64();
  return {entries, size, fields.take64()};
}

// The end record stands at the very end, but for a comment of up to 65535 bytes: searched from the
// back.
Directory find_directory(const FileBytes& file) {
  const uint64_t tail_size = std::min<uint64_t>(file.size(), kEndBytes + 65535);
  const auto tail = file.read(file.size() - tail_size, tail_size);
  for (uint64_t at = tail_size < kEndBytes ? 0 : tail_size - kEndBytes + 1; at-- > 0;) {
    Fields fields(std::span<const std::byte>(tail).subspan(at), file.name());
    if (fields.take32() != 0x06054b50) continue;
    fields.take_bytes(6);
    const uint16_t entries = fields.take16();
    const uint32_t size = fields.take32();
    const uint32_t offset = fields.take32();
    if (entries == 0xffff || size == 0xffffffff || offset == 0xffffffff)
      return read_end64(file, file.size() - tail_size + at);
    return {entries, size, offset};
  }
  throw Error("'", file.name(),
              "' is no zip archive (or .npz), or is truncated: its end record is missing");
}

// Sizes and offset that did not fit 32 bits stand in the extra field 1, in this order.
void read_zip64_extra(Fields extra, ZipMember& member, uint64_t& header_offset) {
  while (!extra.empty()) {
    const uint16_t id = extra.take16();
    const uint16_t size = extra.take16();
    if (id != 1) {
      extra.take_bytes(size);
      continue;
    }
    if (member.size == 0xffffffff) member.size = extra.take64();
    if (member.packed_size == 0xffffffff) member.packed_size = extra.take64();
    if (header_offset == 0xffffffff) header_offset = extra.take64();
    return;
  }
}

// Behind the local header, whose name and extra field may differ in length from the directory's.
uint64_t find_data(const FileBytes& file, uint64_t header_offset, const std::string& member) {
  constexpr uint64_t kLocalBytes = 30;
  const auto bytes = file.read(header_offset, kLocalBytes);
  Fields fields(bytes, file.name());
  if (fields.take32() != 0x04034b50)
    throw Error("zip archive '", file.name(), "': member '", member,
                "' does not stand where the directory says");
  fields.take_bytes(22);
  const uint64_t name_size = fields.take16();
  return header_offset + kLocalBytes + name_size + fields.take16();
}

ZipMember read_member(const FileBytes& file, Fields& fields) {
  if (fields.take32() != 0x02014b50)
    throw Error("zip archive '", file.name(), "': the directory is damaged");
  ZipMember member;
  fields.take_bytes(4);
  const uint16_t flags = fields.take16();
  const uint16_t method = fields.take16();
  fields.take_bytes(4);
  member.crc = fields.take32();
  member.packed_size = fields.take32();
  member.size = fields.take32();
  const uint16_t name_size = fields.take16();
  const uint16_t extra_size = fields.take16();
  const uint16_t comment_size = fields.take16();
  fields.take_bytes(8);
  uint64_t header_offset = fields.take32();
  const auto name = fields.take_bytes(name_size);
  member.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  read_zip64_extra(Fields(fields.take_bytes(extra_size), file.name()), member, header_offset);
  fields.take_bytes(comment_size);

  const auto fail = [&](const auto&... parts) {
    throw Error("zip archive '", file.name(), "': member '", member.name, "' ", parts...);
  };
  if (flags & 1) fail("is encrypted");
  if (method != 0 && method != 8)
    fail("is packed by method ", method, "; stored (0) and deflate (8) are read");
  member.is_deflated = method == 8;
  member.data_offset = find_data(file, header_offset, member.name);
  if (member.data_offset > file.size() || member.packed_size > file.size() - member.data_offset)
    fail("reaches beyond the end of the file; is it truncated?");
  if (!member.is_deflated && member.size != member.packed_size)
    fail("is stored, but its two sizes differ");
  if (member.is_deflated && member.size / 1100 > member.packed_size)
    fail("announces more bytes than deflate can hold");
  return member;
}

}  // namespace

std::vector<ZipMember> read_zip_index(const FileBytes& file) {
  const Directory directory = find_directory(file);
  const auto bytes = file.read(directory.offset, directory.size);
  Fields fields(bytes, file.name());
  std::vector<ZipMember> members;
  for (uint64_t i = 0; i < directory.entries; ++i) members.push_back(read_member(file, fields));
  return members;
}

std::pair<std::shared_ptr<const FileBytes>, uint64_t> open_member(
    const std::shared_ptr<const FileBytes>& file, const ZipMember& member,
    const std::string& name) {
  if (!member.is_deflated) return {file, member.data_offset};
  return {inflate_raw(*file, member.data_offset, member.packed_size, member.size, member.crc, name),
          0};
}

std::vector<std::byte> read_member_start(const FileBytes& file, const ZipMember& member,
                                         uint64_t count, const std::string& name) {
  count = std::min(count, member.size);
  if (!member.is_deflated) return file.read(member.data_offset, count);
  return inflate_start(file, member.data_offset, member.packed_size, count, name);
}

}  // namespace halftone
