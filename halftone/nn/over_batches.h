// What every pass over data does: batches read and computed in workers, one LibTorch thread in
// each, results in order.
#pragma once

#include <c10/core/InferenceMode.h>

#include <string>
#include <utility>
#include <vector>

#include "halftone/base/ordered_parallel.h"
#include "halftone/base/run.h"
#include "halftone/data/loader.h"
#include "halftone/nn/threads.h"

namespace halftone {

// compute(b, batch) of batch number b of `samples`, without gradients, in any thread;
// consume(result) in the caller's, in order. A batch of which no sample could be read reaches
// compute with count 0. The results do not depend on run.threads.
template <typename Result, typename Compute, typename Consume>
void over_batches(const Dataset& data, const std::vector<size_t>& samples, const LoadOptions& how,
                  const Run& run, std::string what, const Compute& compute,
                  const Consume& consume) {
  const OneTorchThread one_thread;
  const auto lists = split_batches(samples, how.batch);
  Progress progress(run, std::move(what), samples.size());
  ordered_parallel<Result>(
      lists.size(), run.threads,
      [&](size_t b) {
        run.check_cancelled();
        OneTorchThread::enter_worker();
        const c10::InferenceMode inference;
        return compute(b, load_batch(data, lists[b], how));
      },
      [&](size_t b, Result result) {
        consume(std::move(result));
        progress.advance(lists[b].size());
      });
}

}  // namespace halftone
