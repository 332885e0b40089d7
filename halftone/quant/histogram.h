// Counts of a stream of values in bounded memory, with the same result whatever the order or the
// split of the stream.
//
// 2,048 bins of width w over [-1024 w, 1024 w), w a power of two: a value outside doubles w and
// merges bins in pairs, which is exact. 16 kB.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "halftone/quant/numeric.h"

namespace halftone {

class Histogram {
 public:
  // A bin that was hit: the value that stands for it and how often.
  struct Bin {
    double value;
    double count;
  };

  // values: finite; extremes: min_max(values).
  void add(std::span<const float> values, const MinMax& extremes);
  void merge(const Histogram& other);

  uint64_t count() const { return count_; }
  float min() const { return min_; }
  float max() const { return max_; }
  double bin_width() const { return width_; }
  // Non-empty bins from low to high. The centre stands for a bin; exact zeros, which ReLU makes
  // many of, are a bin of their own.
  std::vector<Bin> bins() const;
  // Counts of |x| in 1,024 bins of bin_width() (bin i: [i w, (i+1) w)), exact zeros in bin 0.
  std::vector<double> magnitudes() const;

 private:
  static constexpr int kHalf = 1024;
  void grow_to(double width);
  void hold(float magnitude);

  double width_ = 0;  // 0 until a value other than 0 is seen
  std::vector<uint64_t> counts_;
  uint64_t zeros_ = 0;
  uint64_t count_ = 0;
  float min_ = 0;
  float max_ = 0;
};

}  // namespace halftone
