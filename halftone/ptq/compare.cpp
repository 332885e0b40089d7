#include "halftone/ptq/compare.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "halftone/base/ordered_parallel.h"
#include "halftone/nn/threads.h"
#include "halftone/ptq/calibrate.h"

namespace halftone {
namespace {

double sum_of_squares(const at::Tensor& value) {
  return value.to(at::kDouble).square().sum().item<double>();
}

// compute(batch) of every batch of `samples`, a batch a worker; consume in order. Batches of which no sample could be read are
// left out.
template <typename Result, typename Compute, typename Consume>
void over_batches(const Dataset& data, const std::vector<size_t>& samples, const LoadOptions& how, const Run& run,
                  const std::string& what, const Compute& compute, const Consume& consume) {
  const OneTorchThread one_thread;
  const auto lists = split_batches(samples, how.batch);
  Progress progress(run, what, samples.size());
  ordered_parallel<Result>(
      lists.size(), run.threads,
      [&](size_t b) {
        run.check_cancelled();
        OneTorchThread::enter_worker();
        const c10::InferenceMode inference;
        const Batch batch = load_batch(data, lists[b], how);
        return batch.count == 0 ? Result() : compute(batch);
      },
      [&](size_t b, Result result) {
        consume(std::move(result));
        progress.advance(lists[b].size());
      });
}

}  // namespace

std::map<std::string, Energies> compare_values(const Network& original, const Network& quantized,
                                               const std::map<std::string, std::string>& quantized_names,
                                               const Dataset& data, const std::vector<size_t>& samples,
                                               const LoadOptions& how, const Run& run) {
  NetworkRun capture_original, capture_quantized;
  for (const auto& [name, other] : quantized_names) {
    capture_original.capture.insert(name);
    capture_quantized.capture.insert(other);
  }
  using Found = std::map<std::string, Energies>;
  Found total;
  over_batches<Found>(
      data, samples, how, run, "comparing layers",
      [&](const Batch& batch) {
        const TensorMap inputs = network_inputs(original, batch);
        const TensorMap ours = original.run(inputs, capture_original);
        const TensorMap theirs = quantized.run(inputs, capture_quantized);
        Found found;
        for (const auto& [name, other] : quantized_names) {
          const at::Tensor& x = ours.at(name);
          found[name] = {sum_of_squares(x), sum_of_squares(x - theirs.at(other))};
        }
        return found;
      },
      [&](const Found& found) {
        for (const auto& [name, energies] : found) {
          total[name].signal += energies.signal;
          total[name].noise += energies.noise;
        }
      });
  return total;
}

std::vector<std::vector<float>> first_outputs(const Network& network, const Dataset& data,
                                              const std::vector<size_t>& samples, const LoadOptions& how,
                                              const Run& run, const std::string& what) {
  const std::string name = network.graph().outputs.at(0).name;
  using Rows = std::vector<std::vector<float>>;
  Rows result;
  over_batches<Rows>(
      data, samples, how, run, what,
      [&](const Batch& batch) {
        const at::Tensor out = network.run(network_inputs(network, batch)).at(name).to(at::kFloat).contiguous();
        const auto width = static_cast<size_t>(out.numel()) / how.batch;
        const float* values = out.const_data_ptr<float>();
        Rows rows;
        for (size_t i = 0; i < batch.count; ++i) rows.emplace_back(values + i * width, values + (i + 1) * width);
        return rows;
      },
      [&](Rows rows) { std::ranges::move(rows, std::back_inserter(result)); });
  return result;
}

}  // namespace halftone
