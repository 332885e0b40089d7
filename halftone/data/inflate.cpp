#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>

#include "halftone/base/error.h"
#include "halftone/data/file_bytes.h"

namespace halftone {
namespace {

constexpr size_t kChunk = size_t{1} << 16;

// Feeds a part of a file through zlib into a temporary file, one chunk in memory at a time.
class Inflater {
 public:
  // window_bits: as inflateInit2 takes it, negative for raw deflate, 16 + 15 for gzip.
  Inflater(const FileBytes& in, std::string name, int window_bits)
      : in_(in), out_(FileBytes::temporary(std::move(name))) {
    if (inflateInit2(&stream_, window_bits) != Z_OK)
      throw Error("unpacking '", out_->name(), "': zlib cannot start (out of memory?)");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Inflates one stream that starts at `offset` and ends before `end`; at most `limit` bytes may
  // come out. Returns the offset behind it.
  uint64_t one_stream(uint64_t offset, uint64_t end, uint64_t limit) {
    int status = Z_OK;
    stream_.avail_in = 0;
    while (status != Z_STREAM_END) {
      if (stream_.avail_in == 0) {
        const size_t count = static_cast<size_t>(std::min<uint64_t>(kChunk, end - offset));
        if (count == 0) fail("the compressed data end too early");
        in_.read(offset, std::as_writable_bytes(std::span(packed_).first(count)));
        offset += count;
        stream_.next_in = packed_.data();
        stream_.avail_in = static_cast<uInt>(count);
      }
      stream_.next_out = plain_.data();
      stream_.avail_out = static_cast<uInt>(kChunk);
      status = inflate(&stream_, Z_NO_FLUSH);
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        fail(stream_.msg ? stream_.msg : "the compressed data are corrupt");
      const size_t made = kChunk - stream_.avail_out;
      if (made > limit - out_->size()) fail("more data come out than the header says");
      crc_ = static_cast<uint32_t>(crc32(crc_, plain_.data(), static_cast<uInt>(made)));
      out_->append(std::as_bytes(std::span(plain_).first(made)));
    }
    return offset - stream_.avail_in;
  }

  void restart() { inflateReset(&stream_); }
  uint32_t crc() const { return crc_; }
  std::shared_ptr<const FileBytes> result() const { return out_; }

 private:
  [[noreturn]] void fail(const char* found) const {
    throw Error("unpacking '", out_->name(), "': ", found, "; is the file damaged?");
  }

  const FileBytes& in_;
  std::shared_ptr<FileBytes> out_;
  z_stream stream_{};
  uint32_t crc_ = 0;
  std::array<Bytef, kChunk> packed_;
  std::array<Bytef, kChunk> plain_;
};

}  // namespace

std::shared_ptr<const FileBytes> inflate_gzip(const FileBytes& file) {
  auto inflater = std::make_unique<Inflater>(file, file.name(), 16 + MAX_WBITS);
  // A gzip file is one or more streams behind each other.
  for (uint64_t offset = 0; offset < file.size() || offset == 0;) {
    if (offset > 0) inflater->restart();
    offset = inflater->one_stream(offset, file.size(), UINT64_MAX);
  }
  return inflater->result();
}

std::shared_ptr<const FileBytes> inflate_raw(const FileBytes& file, uint64_t offset,
                                             uint64_t packed_size, uint64_t size, uint32_t crc,
                                             const std::string& name) {
  if (offset > file.size() || packed_size > file.size() - offset)
    throw Error("unpacking '", name, "': the file ends before its data do; is it truncated?");
  auto inflater = std::make_unique<Inflater>(file, name, -MAX_WBITS);
  inflater->one_stream(offset, offset + packed_size, size);
  if (inflater->result()->size() != size)
    throw Error("unpacking '", name, "': ", inflater->result()->size(), " bytes came out, ", size,
                " were announced; is the file damaged?");
  if (inflater->crc() != crc)
    throw Error("unpacking '", name, "': the checksum is wrong; is the file damaged?");
  return inflater->result();
}

std::vector<std::byte> inflate_start(const FileBytes& file, uint64_t offset, uint64_t packed_size,
                                     uint64_t count, const std::string& name) {
  // Deflate may take a little more than it gives (stored blocks): 5 bytes for each 65535.
  auto packed = file.read(offset, std::min(packed_size, count + count / 1024 + 64));
  std::vector<std::byte> plain(count);
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    throw Error("unpacking '", name, "': zlib cannot start (out of memory?)");
  const int status = inflate(&stream, Z_SYNC_FLUSH);
  inflateEnd(&stream);
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
    throw Error("unpacking '", name, "': the compressed data are corrupt; is the file damaged?");
  plain.resize(plain.size() - stream.avail_out);
  return plain;
}

}  // namespace halftone
