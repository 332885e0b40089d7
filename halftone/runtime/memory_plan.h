// Where values lie in one block of memory: two that are needed at the same time never overlap.
//
//   const MemoryPlan plan = plan_memory({{.bytes = 4096, .first = 0, .last = 2}, ...});
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halftone::runtime {

// Alive from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;
};

struct MemoryPlan {
  std::vector<size_t> offsets;  // by value; multiples of kAlignment
  size_t bytes = 0;
};

// Greedy by size: the largest value first, each at the lowest offset that is free over its
// lifetime. Throws Error where the total would pass 2^40 bytes.
MemoryPlan plan_memory(const std::vector<Lifetime>& values);

}  // namespace halftone::runtime
