#include "halftone/base/thread_pool.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(ThreadPool, CoversEveryItemOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t count : {0, 1, 2, 5, 100, 1001}) {
      std::vector<int> visits(static_cast<size_t>(count));
      for (int round = 0; round < 50; ++round)
        pool.parallel(count, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
        });
      for (int visited : visits) EXPECT_EQ(visited, 50);
    }
  }
}

TEST(ThreadPool, EndsWithoutHavingWorked) {
  for (int i = 0; i < 20; ++i) ThreadPool pool(3);
}

}  // namespace
}  // namespace halftone
