#include "halftone/ptq/value_cache.h"

#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/base/units.h"

namespace halftone {
namespace {

// A file that vanishes with the process, however it ends.
int unnamed_file(const std::filesystem::path& folder) {
  std::string path = (folder / "halftone-cache-XXXXXX").string();
  const int file = ::mkstemp(path.data());
  if (file < 0)
    throw Error("cannot make a cache file in '", folder.string(), "': ", std::strerror(errno));
  ::unlink(path.c_str());
  return file;
}

}  // namespace

ValueCache::ValueCache(std::string name, size_t samples, size_t batch, CacheBudget& budget)
    : name_(std::move(name)), samples_(samples), batch_(batch), budget_(budget) {}

ValueCache::~ValueCache() {
  budget_.used_bytes -= memory_.size();
  if (file_ >= 0) ::close(file_);
}

void ValueCache::allocate(const at::Tensor& value) {
  row_shape_ = value.sizes().slice(1).vec();
  type_ = value.scalar_type();
  row_bytes_ = value.nbytes() / static_cast<size_t>(value.size(0));
  const uint64_t bytes = uint64_t{row_bytes_} * samples_;
  if (budget_.used_bytes + bytes <= budget_.limit_bytes) {
    memory_.resize(bytes);
    budget_.used_bytes += bytes;
  } else {
    file_ = unnamed_file(budget_.folder);
  }
}

void ValueCache::write(size_t first, size_t count, const at::Tensor& value) {
  const auto rows_given = value.dim() == 0 ? 0 : static_cast<size_t>(value.size(0));
  if (rows_given < count || rows_given > batch_)
    throw Error(
        "the value '", name_, "' has shape ", text(value.sizes()), ": its first axis is not the ",
        count,
        " samples of a batch; block reconstruction needs a network that treats samples one by one");
  if (row_bytes_ == 0) allocate(value);
  const at::Tensor rows = value.narrow(0, 0, static_cast<int64_t>(count)).contiguous();
  if (rows.scalar_type() != type_ || rows.nbytes() != count * row_bytes_)
    throw Error("the value '", name_,
                "' changes its shape from batch to batch: ", text(rows.sizes()));
  const char* bytes = static_cast<const char*>(rows.const_data_ptr());
  if (file_ < 0) {
    std::memcpy(memory_.data() + first * row_bytes_, bytes, rows.nbytes());
    return;
  }
  for (size_t done = 0; done < rows.nbytes();) {
    const auto wrote = ::pwrite(file_, bytes + done, rows.nbytes() - done,
                                static_cast<off_t>(first * row_bytes_ + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0)
      throw Error("cannot write ", format_bytes(samples_ * row_bytes_),
                  " of cached activations to '", budget_.folder.string(),
                  "': ", std::strerror(errno),
                  "; free space there, use fewer samples (--limit) or raise --memory");
    done += static_cast<size_t>(wrote);
  }
}

at::Tensor ValueCache::read(std::span<const size_t> samples) const {
  std::vector<int64_t> shape{static_cast<int64_t>(samples.size())};
  shape.insert(shape.end(), row_shape_.begin(), row_shape_.end());
  at::Tensor result = at::empty(shape, at::TensorOptions().dtype(type_));
  char* bytes = static_cast<char*>(result.mutable_data_ptr());
  for (size_t i = 0; i < samples.size(); ++i) {
    char* row = bytes + i * row_bytes_;
    if (file_ < 0) {
      std::memcpy(row, memory_.data() + samples[i] * row_bytes_, row_bytes_);
      continue;
    }
    for (size_t done = 0; done < row_bytes_;) {
      const auto got = ::pread(file_, row + done, row_bytes_ - done,
                               static_cast<off_t>(samples[i] * row_bytes_ + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        throw Error("reading cached activations of '", name_,
                    "': ", got < 0 ? std::strerror(errno) : "the file is short");
      done += static_cast<size_t>(got);
    }
  }
  return result;
}

}  // namespace halftone
