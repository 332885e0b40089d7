// A trained factor for every element of a weight or a bias, which stays near 1 (Goncharenko et al.
// 2018, arXiv 1812.07872, section 6.4).
#pragma once

#include <ATen/core/Tensor.h>

namespace halftone {

constexpr double kLeastElementFactor = 0.75, kMostElementFactor = 1.25;

// values times factors, as far as these may go; same shape.
inline at::Tensor with_factors(const at::Tensor& values, const at::Tensor& factors) {
  return values * factors.clamp(kLeastElementFactor, kMostElementFactor);
}

// Brings factors back to where they have a gradient; after every step.
inline void clamp_factors(at::Tensor& factors) {
  factors.clamp_(kLeastElementFactor, kMostElementFactor);
}

}  // namespace halftone
