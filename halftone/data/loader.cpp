#include "halftone/data/loader.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/base/ordered_parallel.h"

namespace halftone {
namespace {

// One input's rows, copied in as they come: a row that waited to be stacked would cost its memory
// twice.
class Stack {
 public:
  // `first`: the first row, which fixes type and shape; `rows`: how many there is room for.
  Stack(const Tensor& first, size_t rows)
      : dtype_(first.dtype()),
        row_shape_(first.shape()),
        row_bytes_(first.bytes().size()),
        rows_(rows),
        bytes_(std::make_shared_for_overwrite<std::byte[]>(rows * row_bytes_)) {}

  bool fits(const Tensor& row) const { return row.dtype() == dtype_ && row.shape() == row_shape_; }
  void set(size_t r, const Tensor& row) {
    std::memcpy(bytes_.get() + r * row_bytes_, row.bytes().data(), row_bytes_);
  }
  // Fills the rows behind the first `count` with these, over and over.
  void repeat(size_t count) {
    for (size_t r = count; r < rows_; ++r)
      std::memcpy(bytes_.get() + r * row_bytes_, bytes_.get() + (r - count) * row_bytes_,
                  row_bytes_);
  }
  Tensor finish() const {
    Shape shape = row_shape_;
    shape.insert(shape.begin(), static_cast<int64_t>(rows_));
    return Tensor(dtype_, std::move(shape), std::span(bytes_.get(), rows_ * row_bytes_), bytes_);
  }
  std::string describe() const { return name_of(dtype_) + to_string(row_shape_); }

 private:
  DType dtype_;
  Shape row_shape_;
  size_t row_bytes_;
  size_t rows_;
  std::shared_ptr<std::byte[]> bytes_;
};

}  // namespace

Batch load_batch(const Dataset& data, std::span<const size_t> indices, const LoadOptions& options) {
  if (indices.empty() || indices.size() > options.batch)
    throw Error("loading a batch: ", indices.size(), " samples do not fill a batch of ",
                options.batch);
  Batch batch;
  std::vector<Stack> stacks;
  for (size_t i : indices) {
    std::vector<Tensor> row;
    try {
      row = data.load(i);
    } catch (const Error& error) {
      if (!options.skip_broken) throw;
      batch.broken.push_back(error.what());
      continue;
    }
    for (size_t k = 0; k < row.size(); ++k) {
      if (stacks.size() == k) stacks.emplace_back(row[k], options.batch);
      if (!stacks[k].fits(row[k]))
        throw Error("'", data.name(i), "' gives ", name_of(row[k].dtype()),
                    to_string(row[k].shape()), " for input '", data.inputs()[k].name, "', but '",
                    data.name(batch.indices[0]), "' gives ", stacks[k].describe(),
                    "; samples of one batch must have one shape: for images, give the ",
                    "preprocessing \"resize\" and \"crop\"");
      stacks[k].set(batch.count, row[k]);
    }
    batch.indices.push_back(i);
    batch.labels.push_back(data.labels()[i]);
    ++batch.count;
  }
  for (Stack& stack : stacks) {
    stack.repeat(batch.count);
    batch.inputs.push_back(stack.finish());
  }
  return batch;
}

std::vector<size_t> numbers_below(size_t count) {
  std::vector<size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), size_t{0});
  return numbers;
}

std::vector<size_t> all_samples(const Dataset& data) { return numbers_below(data.size()); }

std::vector<size_t> evenly_spread(std::span<const size_t> samples, size_t count) {
  std::vector<size_t> chosen(std::min(count, samples.size()));
  for (size_t i = 0; i < chosen.size(); ++i)
    chosen[i] = samples[i * samples.size() / chosen.size()];
  return chosen;
}

std::vector<std::vector<size_t>> split_batches(std::span<const size_t> indices, size_t batch) {
  if (batch == 0) throw UsageError("a batch takes 1 sample or more");
  std::vector<std::vector<size_t>> batches;
  for (; !indices.empty(); indices = indices.subspan(std::min(batch, indices.size()))) {
    const auto part = indices.first(std::min(batch, indices.size()));
    batches.emplace_back(part.begin(), part.end());
  }
  return batches;
}

void for_each_batch(const Dataset& data, std::span<const size_t> indices,
                    const LoadOptions& options, const Run& run,
                    const std::function<void(const Batch&)>& consume) {
  const auto lists = split_batches(indices, options.batch);
  std::vector<std::string> broken;
  ordered_parallel<Batch>(
      lists.size(), run.threads, [&](size_t b) { return load_batch(data, lists[b], options); },
      [&](size_t, Batch batch) {
        run.check_cancelled();
        std::move(batch.broken.begin(), batch.broken.end(), std::back_inserter(broken));
        if (batch.count > 0) consume(batch);
      });
  report_broken(broken, indices.size(), run);
}

void for_each_batch(const Dataset& data, const LoadOptions& options, const Run& run,
                    const std::function<void(const Batch&)>& consume) {
  for_each_batch(data, all_samples(data), options, run, consume);
}

void report_broken(std::span<const std::string> broken, size_t total, const Run& run) {
  constexpr size_t kMostShown = 5;
  if (broken.empty()) return;
  std::string message =
      text(broken.size(), " of ", total, " samples could not be read and were skipped:");
  for (const std::string& one : broken.first(std::min(kMostShown, broken.size())))
    message += "\n  " + one;
  if (broken.size() > kMostShown) message += text("\n  and ", broken.size() - kMostShown, " more");
  if (broken.size() == total) throw Error("no sample is left: ", message);
  run.warning(message);
}

}  // namespace halftone
