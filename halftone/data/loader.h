// Batches of one fixed size, read and decoded ahead of use in threads, in the same order for any
// number of threads.
//
//   for_each_batch(*data, {.batch = 32}, run, [&](const Batch& batch) { feed(batch.inputs); });
//
// Work that should follow loading in the same thread (calibration) takes the two halves by
// themselves:
//
//   const auto lists = split_batches(all_samples(*data), 32);
//   ordered_parallel<Result>(lists.size(), run.threads,
//       [&](size_t b) { return forward(load_batch(*data, lists[b], {.batch = 32})); }, consume);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/graph/tensor.h"

namespace halftone {

struct LoadOptions {
  size_t batch = 32;         // rows of every batch, the last too
  bool skip_broken = false;  // leave out samples that cannot be read, instead of throwing
};

struct Batch {
  std::vector<Tensor> inputs;  // in the order of Dataset::inputs(), each [batch, ...]
  size_t count = 0;  // rows that are real; the others repeat them from the first on, to be ignored
  std::vector<size_t> indices;      // [count] which sample each row is
  std::vector<int64_t> labels;      // [count], -1: none
  std::vector<std::string> broken;  // what was skipped: messages that name the samples
};

// Samples `indices` (1 to options.batch of them) stacked; each input must have one shape over them.
// Thread-safe. Without skip_broken throws Error naming the first broken sample. With it, count may
// be 0: inputs are empty then.
Batch load_batch(const Dataset& data, std::span<const size_t> indices, const LoadOptions& options);

std::vector<size_t> all_samples(const Dataset& data);  // 0, 1, 2, ...
std::vector<size_t> numbers_below(size_t count);       // likewise
// Up to `count` of `samples`, spread evenly over them, in their order.
std::vector<size_t> evenly_spread(std::span<const size_t> samples, size_t count);
// Consecutive parts of `batch` indices, the last one with what is left.
std::vector<std::vector<size_t>> split_batches(std::span<const size_t> indices, size_t batch);

// Calls `consume` from the caller's thread with the batches of `indices`, in order; run.threads
// threads read ahead, at most 3 * run.threads batches being in memory. With skip_broken one warning
// at the end says how many were skipped and why. Throws Error where every sample was broken, and on
// run's cancellation.
void for_each_batch(const Dataset& data, std::span<const size_t> indices,
                    const LoadOptions& options, const Run& run,
                    const std::function<void(const Batch&)>& consume);
// Over all samples.
void for_each_batch(const Dataset& data, const LoadOptions& options, const Run& run,
                    const std::function<void(const Batch&)>& consume);

// The end of a pass with skip_broken that calls load_batch itself: warns of the skipped ones (the
// first few messages, in order) among `total` samples; throws Error where none was left. Does
// nothing where `broken` is empty.
void report_broken(std::span<const std::string> broken, size_t total, const Run& run);

}  // namespace halftone
