// Which samples --limit N takes.
//
//   std::vector<size_t> indices = draw_samples(data.labels(), 512, Rng(seed, "limit"));
//   auto few = std::make_shared<Subset>(data, indices);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "halftone/base/rng.h"

namespace halftone {

// `count` different indices in increasing order, all where there are no more. Classes (samples
// without label are one) get shares that differ by at most one, but for classes that have no more
// to give; which ones get one more, and which samples, is random.
std::vector<size_t> draw_samples(std::span<const int64_t> labels, size_t count, Rng rng);

}  // namespace halftone
