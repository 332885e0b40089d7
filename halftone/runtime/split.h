// Work that is split among threads where it is worth waking them.
#pragma once

#include "halftone/base/thread_pool.h"

namespace halftone::runtime {

// Calls body(begin, end) on ranges that cover [0, count): one, or one a thread where the work is on
// so many bytes that the threads' start costs less than it saves. count: at least 1.
template <typename Body>
void split(ThreadPool& pool, int64_t count, int64_t bytes, const Body& body) {
  constexpr int64_t kThreadedBytes = 1 << 18;
  if (bytes < kThreadedBytes) return body(int64_t{0}, count);
  pool.parallel(count, body);
}

}  // namespace halftone::runtime
