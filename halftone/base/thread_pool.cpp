#include "halftone/base/thread_pool.h"

#include <algorithm>
#include <exception>

#include "halftone/base/error.h"

namespace halftone {
namespace {

// A layer lasts some ten microseconds: the next one mostly comes before a sleeping thread would
// have been woken.
constexpr int kSpins = 2000;

// Waits until `value` is not `old` any more; returns what it is then.
uint32_t await_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  try {
    for (int64_t part = 1; part < threads; ++part)
      workers_.emplace_back([this, part] { work(part); });
  } catch (const std::exception& error) {
    end();
    throw Error("cannot start ", threads, " threads: ", error.what());
  }
}

ThreadPool::~ThreadPool() { end(); }

void ThreadPool::end() {
  is_ending_ = true;
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::start(const Job& job) {
  job_ = job;
  unfinished_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  run_part(0);
  for (uint32_t left = unfinished_.load(std::memory_order_acquire); left > 0;)
    left = await_change(unfinished_, left);
}

void ThreadPool::run_part(int64_t part) const {
  const int64_t begin = job_.count * part / threads();
  const int64_t end = job_.count * (part + 1) / threads();
  if (begin < end) job_.call(job_.body, begin, end);
}

void ThreadPool::work(int64_t part) {
  for (uint32_t seen = 0;;) {
    seen = await_change(generation_, seen);
    if (is_ending_) return;
    run_part(part);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

}  // namespace halftone
