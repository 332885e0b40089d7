// Seeded random numbers that are the same on every platform and do not depend on the order of work.
//
//   Rng rng = run.rng("adaround/" + site);   // one stream a purpose
//   size_t pick = rng.below(count);
//
// The generator is std::mt19937_64, whose sequence the standard fixes; std's distributions are not
// fixed, so the few that are needed stand here.
#pragma once

#include <cstdint>
#include <numeric>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace halftone {

class Rng {
 public:
  // The stream of `name` under `seed`: equal arguments give equal numbers.
  explicit Rng(uint64_t seed, std::string_view name = "") {
    uint64_t hash = 14695981039346656037ULL;  // FNV-1a over the name
    for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                           static_cast<uint32_t>(hash), static_cast<uint32_t>(hash >> 32)};
    engine_.seed(sequence);
  }

  uint64_t bits() { return engine_(); }

  // Uniform in [0, bound), bound > 0; unbiased.
  uint64_t below(uint64_t bound) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value = engine_();
    while (value >= limit) value = engine_();
    return value % bound;
  }

  // Uniform in [0, 1), 53 random bits.
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }

  // Fisher-Yates.
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

  // `count` different numbers of [0, total), in increasing order; all of them where count >= total.
  std::vector<size_t> sample(size_t total, size_t count) {
    std::vector<size_t> chosen;
    // Selection sampling (Knuth, algorithm S): one pass, no list of all numbers.
    for (size_t i = 0; i < total && chosen.size() < count; ++i)
      if (below(total - i) < count - chosen.size()) chosen.push_back(i);
    return chosen;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace halftone
