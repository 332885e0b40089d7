#include "halftone/base/run.h"

#include <atomic>
#include <utility>

#include "halftone/base/error.h"

namespace halftone {
namespace {
std::atomic<bool> cancel_requested{false};
}  // namespace

void request_cancel() { cancel_requested = true; }

void Run::check_cancelled() const {
  if (cancel_requested) throw Error("interrupted; no output was written");
}

Progress::Progress(const Run& run, std::string what, size_t total)
    : run_(run), what_(std::move(what)), total_(total) {
  if (run_.reporter) run_.reporter->progress(what_, 0, total_);
}

void Progress::advance(size_t count) {
  done_ += count;
  if (run_.reporter) run_.reporter->progress(what_, done_, total_);
}

}  // namespace halftone
