#include "halftone/data/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "halftone/base/error.h"

namespace halftone {

std::shared_ptr<const FileBytes> FileBytes::open(const std::filesystem::path& path) {
  // O_NONBLOCK: a pipe that nobody writes to would block here for ever; regular files ignore it.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw Error("cannot open '", path.string(), "': ", std::strerror(errno));
  std::shared_ptr<FileBytes> file(new FileBytes(path.string(), descriptor));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0)
    throw Error("cannot read '", path.string(), "': ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw Error("'", path.string(), "' is not a file");
  file->size_ = static_cast<uint64_t>(status.st_size);
  return file;
}

std::shared_ptr<FileBytes> FileBytes::temporary(std::string name) {
  const char* told = std::getenv("TMPDIR");
  // /tmp is memory on many systems, /var/tmp is not.
  std::string folder = told && *told ? told : "/var/tmp";
  if (!(told && *told) && ::access("/var/tmp", W_OK) != 0) folder = "/tmp";
  std::string pattern = folder + "/halftone-XXXXXX";
  const int descriptor = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (descriptor < 0)
    throw Error("unpacking '", name, "': cannot create a temporary file in '", folder,
                "': ", std::strerror(errno), "; set TMPDIR to a folder with room");
  ::unlink(pattern.c_str());
  return std::shared_ptr<FileBytes>(new FileBytes(std::move(name), descriptor));
}

FileBytes::~FileBytes() { ::close(descriptor_); }

void FileBytes::read(uint64_t offset, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("cannot read '", name_, "': ", std::strerror(errno));
    if (got == 0)
      throw Error("'", name_, "' ends at byte ", size_, ", but bytes ", offset, " to ",
                  offset + out.size(), " are needed; is it truncated?");
    done += static_cast<size_t>(got);
  }
}

std::vector<std::byte> FileBytes::read(uint64_t offset, uint64_t count) const {
  if (offset > size_ || count > size_ - offset)  // before the allocation: sizes in a file may lie
    throw Error("'", name_, "' ends at byte ", size_, ", but ", count, " bytes from ", offset,
                " on are needed; is it truncated?");
  std::vector<std::byte> bytes(count);
  read(offset, bytes);
  return bytes;
}

void FileBytes::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0)
      throw Error("unpacking '", name_, "' into a temporary file: ", std::strerror(errno),
                  "; set TMPDIR to a folder with room");
    size_ += static_cast<uint64_t>(put);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

}  // namespace halftone
