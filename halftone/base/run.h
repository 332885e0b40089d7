// What every long job gets: seed, threads, time, where progress goes, and whether to stop.
//
//   Run run{.seed = 7, .threads = 2, .reporter = &terminal};
//   Progress progress(run, "calibrating", images);
//   for (...) { run.check_cancelled(); ...; progress.advance(batch); }
//
// The library prints nothing itself: it reports through the Run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "halftone/base/rng.h"

namespace halftone {

// Receives what a job says of itself. The default says nothing to nobody. Called from one thread at
// a time.
class Reporter {
 public:
  virtual ~Reporter() = default;
  // `done` of `total` units of `what`; done == total ends it. Called often: throttle.
  virtual void progress(std::string_view /*what*/, size_t /*done*/, size_t /*total*/) {}
  // Something that the user should act on.
  virtual void warning(std::string_view /*message*/) {}
  // One line of what is happening or was found.
  virtual void info(std::string_view /*message*/) {}
};

struct Run {
  uint64_t seed = 0;
  int threads = 1;
  Reporter* reporter = nullptr;  // not owned; nullptr: silent
  std::string checkpoint = {};   // folder of what is done so far (base/checkpoint.h); empty: none
  bool resume = false;           // go on from `checkpoint`
  uint64_t memory_bytes =
      0;  // what the process may take; 0: no limit. Caches spill to files within a part of it
  // When to stop with the best so far: whole units or epochs, an unfinished one is left out. What
  // is computed until then never depends on the clock.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};

  bool is_time_up() const { return deadline && std::chrono::steady_clock::now() >= *deadline; }

  // The random stream of one purpose, independent of the order of work.
  Rng rng(std::string_view purpose) const { return Rng(seed, purpose); }

  void warning(std::string_view message) const {
    if (reporter) reporter->warning(message);
  }
  void info(std::string_view message) const {
    if (reporter) reporter->info(message);
  }
  // Throws Error("interrupted") where request_cancel() was called.
  void check_cancelled() const;
};

// Asks every Run of the process to stop at its next check; safe in a signal handler.
void request_cancel();

// Reports how far one loop is. Thread-compatible: advance() from one thread.
class Progress {
 public:
  Progress(const Run& run, std::string what, size_t total);
  void advance(size_t count = 1);

 private:
  const Run& run_;
  std::string what_;
  size_t done_ = 0;
  size_t total_;
};

}  // namespace halftone
