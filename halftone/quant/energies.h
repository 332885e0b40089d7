// How much of a tensor is left after quantization.
//
//   Energies energies;
//   energies.add(original, quantized);         // as often as there are rows
//   double db = energies.sqnr_db();
#pragma once

#include <span>

namespace halftone {

struct Energies {
  double signal = 0;  // sum of x^2
  double noise = 0;   // sum of (x - y)^2

  // original: x, other: y; one size.
  void add(std::span<const float> original, std::span<const float> other);
  Energies& operator+=(const Energies& more);

  // Signal-to-quantization-noise ratio: 10 log10(signal / noise) in dB; 200 where both tensors are
  // equal.
  double sqnr_db() const;
};

}  // namespace halftone
