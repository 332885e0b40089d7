#include "halftone/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "halftone/base/error.h"

namespace halftone {
namespace {
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};
}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) throw Error("cannot open '", path.string(), "': ", std::strerror(errno));
  struct stat status {};
  if (::fstat(file.value, &status) != 0)
    throw Error("cannot read '", path.string(), "': ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw Error("'", path.string(), "' is not a file");
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->size_ = static_cast<size_t>(status.st_size);
  if (mapped->size_ == 0) return mapped;
  void* memory = ::mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (memory == MAP_FAILED)
    throw Error("cannot map '", path.string(), "' into memory: ", std::strerror(errno));
  mapped->data_ = static_cast<const std::byte*>(memory);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace halftone
