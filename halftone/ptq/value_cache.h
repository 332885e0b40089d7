// The value of one tensor of a network for every calibration sample, in memory or, beyond a budget,
// in a file.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace halftone {

// How many bytes caches may hold in memory together; what comes beyond lies in unnamed files of
// `folder`.
struct CacheBudget {
  uint64_t limit_bytes = uint64_t{1} << 30;
  std::filesystem::path folder = std::filesystem::temp_directory_path();
  uint64_t used_bytes = 0;
};

class ValueCache {
 public:
  // name: for messages. batch: most samples that are written at once. budget: outlives the cache.
  ValueCache(std::string name, size_t samples, size_t batch, CacheBudget& budget);
  ~ValueCache();
  ValueCache(const ValueCache&) = delete;
  ValueCache& operator=(const ValueCache&) = delete;

  // Rows `first` .. `first + count` from the first `count` of `value`, [batch, ...]. The first call
  // fixes type and shape of a row. Throws Error naming the value where its rows are not samples, or
  // where the disk is full.
  void write(size_t first, size_t count, const at::Tensor& value);
  // The rows of `samples`, stacked: [samples.size(), ...]. Thread-safe.
  at::Tensor read(std::span<const size_t> samples) const;

  bool is_spilled() const { return file_ >= 0; }
  // Whether what was written is of a floating-point type.
  bool is_floating() const { return at::isFloatingType(type_); }

 private:
  void allocate(const at::Tensor& value);

  std::string name_;
  size_t samples_, batch_;
  CacheBudget& budget_;
  std::vector<int64_t> row_shape_;
  at::ScalarType type_{};
  size_t row_bytes_ = 0;
  std::vector<char> memory_;
  int file_ = -1;
};

}  // namespace halftone
