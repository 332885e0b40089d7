#include "halftone/quant/energies.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace halftone {
namespace {

// Eight running sums in double, so that the compiler can add in vectors. Of this file alone: clang
// 16 gives clones a name that other files do not link to.
[[gnu::target_clones("avx2", "default")]] Energies energies_of(std::span<const float> original,
                                                               std::span<const float> other) {
  constexpr size_t kLanes = 8;
  std::array<double, kLanes> signals{}, noises{};
  const size_t size = std::min(original.size(), other.size());
  auto add_one = [&](size_t i, size_t lane) {
    const auto x = static_cast<double>(original[i]);
    const double error = x - static_cast<double>(other[i]);
    signals[lane] += x * x;
    noises[lane] += error * error;
  };
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) add_one(i + lane, lane);
  for (; i < size; ++i) add_one(i, 0);
  return {std::accumulate(signals.begin(), signals.end(), 0.0),
          std::accumulate(noises.begin(), noises.end(), 0.0)};
}

}  // namespace

void Energies::add(std::span<const float> original, std::span<const float> other) {
  *this += energies_of(original, other);
}

Energies& Energies::operator+=(const Energies& more) {
  signal += more.signal;
  noise += more.noise;
  return *this;
}

double Energies::sqnr_db() const {
  constexpr double kExact = 200;
  if (noise <= 0) return kExact;
  if (signal <= 0) return -kExact;
  return std::clamp(10 * std::log10(signal / noise), -kExact, kExact);
}

}  // namespace halftone
