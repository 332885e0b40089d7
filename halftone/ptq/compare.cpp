#include "halftone/ptq/compare.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "halftone/base/ordered_parallel.h"
#include "halftone/nn/threads.h"
#include "halftone/ptq/calibrate.h"

namespace halftone {
namespace {

double sum_of_squares(const at::Tensor& value) {
  return value.to(at::kDouble).square().sum().item<double>();
}

}  // namespace

std::map<std::string, Energies> compare_values(const Network& original, const Network& quantized,
                                               const std::map<std::string, std::string>& quantized_names,
                                               const Dataset& data, const std::vector<size_t>& samples,
                                               const LoadOptions& how, const Run& run) {
  const OneTorchThread one_thread;
  NetworkRun capture_original, capture_quantized;
  for (const auto& [name, other] : quantized_names) {
    capture_original.capture.insert(name);
    capture_quantized.capture.insert(other);
  }
  const auto lists = split_batches(samples, how.batch);
  using Found = std::map<std::string, Energies>;
  Found total;
  Progress progress(run, "comparing layers", samples.size());
  ordered_parallel<Found>(
      lists.size(), run.threads,
      [&](size_t b) {
        run.check_cancelled();
        OneTorchThread::enter_worker();
        const c10::InferenceMode inference;
        const Batch batch = load_batch(data, lists[b], how);
        Found found;
        if (batch.count == 0) return found;
        const TensorMap inputs = network_inputs(original, batch);
        const TensorMap a = original.run(inputs, capture_original);
        const TensorMap b_values = quantized.run(inputs, capture_quantized);
        for (const auto& [name, other] : quantized_names) {
          const at::Tensor& x = a.at(name);
          found[name] = {sum_of_squares(x), sum_of_squares(x - b_values.at(other))};
        }
        return found;
      },
      [&](size_t b, const Found& found) {
        for (const auto& [name, energies] : found) {
          total[name].signal += energies.signal;
          total[name].noise += energies.noise;
        }
        progress.advance(lists[b].size());
      });
  return total;
}

std::vector<std::vector<float>> first_outputs(const Network& network, const Dataset& data,
                                              const std::vector<size_t>& samples, const LoadOptions& how,
                                              const Run& run, const std::string& what) {
  const OneTorchThread one_thread;
  const std::string name = network.graph().outputs.at(0).name;
  const auto lists = split_batches(samples, how.batch);
  using Rows = std::vector<std::vector<float>>;
  Rows result;
  Progress progress(run, what, samples.size());
  ordered_parallel<Rows>(
      lists.size(), run.threads,
      [&](size_t b) {
        run.check_cancelled();
        OneTorchThread::enter_worker();
        const c10::InferenceMode inference;
        const Batch batch = load_batch(data, lists[b], how);
        Rows rows;
        if (batch.count == 0) return rows;
        const at::Tensor out = network.run(network_inputs(network, batch)).at(name).to(at::kFloat).contiguous();
        const auto width = static_cast<size_t>(out.numel()) / how.batch;
        const float* values = out.const_data_ptr<float>();
        for (size_t i = 0; i < batch.count; ++i) rows.emplace_back(values + i * width, values + (i + 1) * width);
        return rows;
      },
      [&](size_t b, Rows rows) {
        std::ranges::move(rows, std::back_inserter(result));
        progress.advance(lists[b].size());
      });
  return result;
}

}  // namespace halftone
