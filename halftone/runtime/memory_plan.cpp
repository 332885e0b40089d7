#include "halftone/runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "halftone/base/error.h"
#include "halftone/runtime/layout.h"

namespace halftone::runtime {
namespace {

constexpr size_t kMostBytes = size_t{1} << 40;

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& values) {
  MemoryPlan plan;
  plan.offsets.resize(values.size());
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return values[i].bytes; });
  std::vector<size_t> placed;  // by increasing offset
  for (const size_t i : order) {
    size_t offset = 0;
    for (const size_t other : placed) {
      if (!overlap(values[i], values[other])) continue;
      if (plan.offsets[other] >= offset + values[i].bytes) break;
      offset = std::max(offset, aligned(plan.offsets[other] + values[other].bytes));
    }
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, aligned(offset + values[i].bytes));
    if (plan.bytes > kMostBytes)
      throw Error("the network's values would take more than ", kMostBytes, " bytes");
    const auto after = std::ranges::upper_bound(placed, offset, {},
                                                [&](size_t other) { return plan.offsets[other]; });
    placed.insert(after, i);
  }
  return plan;
}

}  // namespace halftone::runtime
