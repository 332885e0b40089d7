#include "halftone/quant/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace halftone {
namespace {

constexpr size_t kBlock = 1 << 14;  // counted in 16 bits, two counters a bin

// floor(x / width) of each value, and how many of them are zero. Exact, as the inverse is a power
// of two; in double, as the inverse of a very small width overflows float.
[[gnu::target_clones("avx2", "default")]] size_t find_positions(std::span<const float> values,
                                                                double inverse,
                                                                int32_t* positions) {
  int32_t zeros = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = static_cast<double>(values[i]) * inverse;
    const auto toward_zero = static_cast<int32_t>(x);
    positions[i] = toward_zero - (x < toward_zero ? 1 : 0);
    zeros += values[i] == 0 ? 1 : 0;
  }
  return static_cast<size_t>(zeros);
}

}  // namespace

void Histogram::grow_to(double width) {
  if (width_ == 0) {
    width_ = width;
    counts_.assign(2 * kHalf, 0);
    return;
  }
  while (width_ < width) {
    std::vector<uint64_t> merged(2 * kHalf, 0);
    for (int i = -kHalf; i < kHalf; ++i)
      merged[static_cast<size_t>((i >> 1) + kHalf)] += counts_[static_cast<size_t>(i + kHalf)];
    counts_ = std::move(merged);
    width_ *= 2;
  }
}

void Histogram::hold(float magnitude) {
  if (magnitude == 0) return;
  // The smallest power of two w with magnitude < 1024 w.
  int exponent = 0;
  std::frexp(static_cast<double>(magnitude) / kHalf, &exponent);
  const double width = std::ldexp(1.0, exponent);
  if (width > width_) grow_to(width);
}

void Histogram::add(std::span<const float> values, const MinMax& extremes) {
  if (values.empty()) return;
  min_ = count_ ? std::min(min_, extremes.min) : extremes.min;
  max_ = count_ ? std::max(max_, extremes.max) : extremes.max;
  count_ += values.size();
  hold(std::max(-extremes.min, extremes.max));
  if (width_ == 0) {  // nothing but zeros so far
    zeros_ += values.size();
    return;
  }
  for (; !values.empty(); values = values.subspan(std::min(kBlock, values.size()))) {
    std::array<int32_t, kBlock> positions;
    const auto block = values.first(std::min(kBlock, values.size()));
    const size_t zeros = find_positions(block, 1 / width_, positions.data());
    // Two counters a bin, taken in turn: a run of equal values would wait for its own last
    // increment.
    std::array<std::array<uint16_t, 2 * kHalf>, 2> counted{};
    for (size_t i = 0; i < block.size(); ++i)
      ++counted[i % 2][static_cast<size_t>(positions[i] + kHalf)];
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += counted[0][i] + counted[1][i];
    counts_[kHalf] -= zeros;
    zeros_ += zeros;
  }
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  min_ = count_ ? std::min(min_, other.min_) : other.min_;
  max_ = count_ ? std::max(max_, other.max_) : other.max_;
  count_ += other.count_;
  zeros_ += other.zeros_;
  if (other.width_ == 0) return;
  Histogram scaled;
  const Histogram* addend = &other;
  if (other.width_ < width_) {
    scaled = other;
    scaled.grow_to(width_);
    addend = &scaled;
  } else if (width_ < other.width_) {
    grow_to(other.width_);
  }
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += addend->counts_[i];
}

std::vector<Histogram::Bin> Histogram::bins() const {
  std::vector<Bin> result;
  auto add_zeros = [&] {
    if (zeros_) result.push_back({0.0, static_cast<double>(zeros_)});
  };
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (i == static_cast<size_t>(kHalf)) add_zeros();
    if (counts_[i])
      result.push_back(
          {(static_cast<double>(i) - kHalf + 0.5) * width_, static_cast<double>(counts_[i])});
  }
  if (counts_.empty()) add_zeros();
  return result;
}

std::vector<double> Histogram::magnitudes() const {
  std::vector<double> result(kHalf, 0.0);
  result[0] = static_cast<double>(zeros_);
  for (size_t i = 0; i < counts_.size(); ++i) {
    const int position = static_cast<int>(i) - kHalf;
    result[static_cast<size_t>(position >= 0 ? position : -position - 1)] +=
        static_cast<double>(counts_[i]);
  }
  return result;
}

}  // namespace halftone
