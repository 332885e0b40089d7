#include "halftone/data/loader.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/base/ordered_parallel.h"

namespace halftone {
namespace {

// rows[r][k] is input k of row r. Rows beyond those that are there repeat them.
Tensor stack(const Dataset& data, const std::vector<std::vector<Tensor>>& rows,
             const std::vector<size_t>& indices, size_t k, size_t batch) {
  const Tensor& first = rows[0][k];
  const size_t row_bytes = first.bytes().size();
  std::vector<std::byte> bytes(batch * row_bytes);
  for (size_t r = 0; r < batch; ++r) {
    const Tensor& row = rows[r % rows.size()][k];
    if (row.shape() != first.shape() || row.dtype() != first.dtype())
      throw Error("'", data.name(indices[r]), "' gives ", name_of(row.dtype()),
                  to_string(row.shape()), " for input '", data.inputs()[k].name, "', but '",
                  data.name(indices[0]), "' gives ", name_of(first.dtype()),
                  to_string(first.shape()),
                  "; samples of one batch must have one shape: for images, give the ",
                  "preprocessing \"resize\" and \"crop\"");
    std::memcpy(bytes.data() + r * row_bytes, row.bytes().data(), row_bytes);
  }
  Shape shape = first.shape();
  shape.insert(shape.begin(), static_cast<int64_t>(batch));
  return Tensor::from_bytes(first.dtype(), std::move(shape), std::move(bytes));
}

}  // namespace

Batch load_batch(const Dataset& data, std::span<const size_t> indices, const LoadOptions& options) {
  if (indices.empty() || indices.size() > options.batch)
    throw Error("loading a batch: ", indices.size(), " samples do not fill a batch of ",
                options.batch);
  Batch batch;
  std::vector<std::vector<Tensor>> rows;
  for (size_t i : indices) {
    try {
      rows.push_back(data.load(i));
    } catch (const Error& error) {
      if (!options.skip_broken) throw;
      batch.broken.push_back(error.what());
      continue;
    }
    batch.indices.push_back(i);
    batch.labels.push_back(data.labels()[i]);
  }
  batch.count = rows.size();
  if (batch.count == 0) return batch;
  for (size_t k = 0; k < data.inputs().size(); ++k)
    batch.inputs.push_back(stack(data, rows, batch.indices, k, options.batch));
  return batch;
}

std::vector<size_t> all_samples(const Dataset& data) {
  std::vector<size_t> indices(data.size());
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
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
