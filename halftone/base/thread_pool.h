// Threads that wait for short loops: starting one costs a wake-up, no allocation.
//
//   ThreadPool pool(2);
//   pool.parallel(rows, [&](int64_t begin, int64_t end) { ... });  // a range for each thread
//
// The split is fixed by the count and the threads; the caller takes part. One loop at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace halftone {

class ThreadPool {
 public:
  // threads: at least 1, the caller among them. Throws Error where the system starts no more.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) on consecutive ranges that cover [0, count), at most one a thread. body
  // must not throw.
  template <typename Body>
  void parallel(int64_t count, const Body& body) {
    if (workers_.empty() || count <= 1) return count > 0 ? body(int64_t{0}, count) : void();
    start({[](const void* self, int64_t begin, int64_t end) {
             (*static_cast<const Body*>(self))(begin, end);
           },
           &body, count});
  }

 private:
  struct Job {
    void (*call)(const void*, int64_t, int64_t) = nullptr;
    const void* body = nullptr;
    int64_t count = 0;
  };
  void start(const Job& job);
  void run_part(int64_t part) const;
  void work(int64_t part);
  void end();

  Job job_;
  std::atomic<uint32_t> generation_{0};  // of jobs; a worker that sees it move has one to do
  std::atomic<uint32_t> unfinished_{0};
  std::atomic<bool> is_ending_{false};
  std::vector<std::thread> workers_;
};

}  // namespace halftone
