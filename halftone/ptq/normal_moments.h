// Mean and variance of activations from the normal distribution that BatchNormalization gives their
// input.
#pragma once

#include <limits>

namespace halftone {

struct Moments {
  double mean = 0;
  double variance = 0;
};

// Of min(max(x, low), high) for x ~ N(mean, deviation^2), deviation >= 0, low <= high (Nagel et al.
// 2019, arXiv 1906.04721, appendix C). A ReLU is low = 0 without an upper end.
Moments clipped_normal(double mean, double deviation, double low,
                       double high = std::numeric_limits<double>::infinity());

}  // namespace halftone
