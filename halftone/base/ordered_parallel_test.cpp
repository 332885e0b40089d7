#include "halftone/base/ordered_parallel.h"

#include <gtest/gtest.h>

#include "halftone/base/error.h"

namespace halftone {
namespace {

TEST(OrderedParallel, HandsResultsOnInOrderForAnyThreads) {
  for (int threads : {0, 1, 2, 7}) {
    std::vector<size_t> seen;
    ordered_parallel<size_t>(
        100, threads, [](size_t i) { return i * i; },
        [&](size_t i, size_t square) {
          EXPECT_EQ(square, i * i);
          seen.push_back(i);
        });
    ASSERT_EQ(seen.size(), 100u);
    for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
  }
}

TEST(OrderedParallel, ThrowsTheFirstErrorInOrderAndEnds) {
  for (int threads : {1, 3}) {
    size_t consumed = 0;
    try {
      ordered_parallel<int>(
          50, threads,
          [](size_t i) { return i >= 20 ? throw Error("item ", i) : static_cast<int>(i); },
          [&](size_t, int) { ++consumed; });
      FAIL() << "no error came through";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "item 20");
    }
    EXPECT_EQ(consumed, 20u);
  }
}

}  // namespace
}  // namespace halftone
