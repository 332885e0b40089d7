// Work on numbered items in several threads, results handed on in order: what follows does not
// depend on the threads.
//
//   ordered_parallel<Batch>(batches, run.threads,
//       [&](size_t i) { return load(i); },               // any thread, any order
//       [&](size_t i, Batch batch) { consume(batch); });   // the caller's thread, i = 0, 1, 2, ...
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace halftone {

// At most 2 * threads results wait at any time, so memory is bounded. The first exception, of
// either function, in the order of items, stops the work and is thrown to the caller once every
// thread has ended.
template <typename Result, typename Produce, typename Consume>
void ordered_parallel(size_t count, int threads, const Produce& produce, const Consume& consume) {
  const size_t workers = std::min<size_t>(count, static_cast<size_t>(std::max(threads, 1)));
  if (workers <= 1) {
    for (size_t i = 0; i < count; ++i) consume(i, produce(i));
    return;
  }
  struct Outcome {
    std::optional<Result> result;
    std::exception_ptr error;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::map<size_t, Outcome> ready;
  size_t next_item = 0;
  size_t next_consumed = 0;
  bool stopped = false;

  auto work = [&] {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] {
        return stopped || next_item >= count || next_item < next_consumed + 2 * workers;
      });
      if (stopped || next_item >= count) return;
      const size_t item = next_item++;
      lock.unlock();
      Outcome outcome;
      try {
        outcome.result.emplace(produce(item));
      } catch (...) {
        outcome.error = std::current_exception();
      }
      lock.lock();
      ready.emplace(item, std::move(outcome));
      changed.notify_all();
    }
  };

  std::vector<std::jthread> pool;
  auto stop = [&] {
    {
      const std::lock_guard lock(mutex);
      stopped = true;
    }
    changed.notify_all();
    pool.clear();
  };
  for (size_t i = 0; i < workers; ++i) pool.emplace_back(work);
  try {
    for (size_t i = 0; i < count; ++i) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return ready.contains(i); });
      Outcome outcome = std::move(ready.extract(i).mapped());
      next_consumed = i + 1;
      lock.unlock();
      changed.notify_all();
      if (outcome.error) std::rethrow_exception(outcome.error);
      consume(i, std::move(*outcome.result));
    }
  } catch (...) {
    stop();
    throw;
  }
}

}  // namespace halftone
