#include "halftone/runtime/code_map.h"

#include <gtest/gtest.h>

#include <vector>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"
#include "tests/simd_targets.h"

namespace halftone::runtime {
namespace {

TEST(CodeMap, MapsEveryCodeOnEveryTargetAndWritesNoMore) {
  Rng rng(7);
  std::array<uint8_t, 256> table;
  for (uint8_t& code : table) code = static_cast<uint8_t>(rng.below(256));
  const CodeMap map = CodeMap::of(table);
  on_every_target([&](const char* target) {
    for (int64_t count : {0, 1, 15, 16, 33, 64, 100, 256, 300}) {
      SCOPED_TRACE(text(target, ", ", count, " codes"));
      std::vector<uint8_t> from(static_cast<size_t>(count)), to(static_cast<size_t>(count) + 1, 99);
      for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i + 3);
      map.apply(from.data(), to.data(), count);
      for (size_t i = 0; i < from.size(); ++i) ASSERT_EQ(to[i], table[from[i]]) << i;
      EXPECT_EQ(to.back(), 99);
    }
  });
}

}  // namespace
}  // namespace halftone::runtime
