// The plan of largest layers first: all sites at their widest, projected onto the size limit.
// OMPQ's released plans for post-training quantization are these, whatever the network's
// orthogonality: a baseline that knows sizes alone.
#pragma once

#include <cstdint>
#include <vector>

namespace halftone {

struct Projection {
  std::vector<double> bits;
  double lambda = 0;  // bits taken from a site, by its size
};

// The closest point to all sites at `high` bits within sum_i sizes_i * bits_i <= limit and low <=
// bits_i <= high: bits_i = clamp(high - lambda * sizes_i, low, high). sizes > 0; the limit allows
// all at `low`.
Projection project(const std::vector<double>& sizes, double limit, double low, double high);

// By site the cost of one width below and one above its real-valued width. The combination with the
// largest sum that is at most `limit` (true: the one above), found depth-first from the last site,
// above tried first, the first of equals kept, as the authors' code does; a search that takes too
// long ends with the best so far. All below: within the limit.
struct Rounding {
  int64_t below = 0, above = 0;
};
std::vector<bool> rounded_depth_first(const std::vector<Rounding>& sites, int64_t limit);

}  // namespace halftone
