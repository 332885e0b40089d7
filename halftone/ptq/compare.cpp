#include "halftone/ptq/compare.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "halftone/base/ordered_parallel.h"
#include "halftone/nn/threads.h"
#include "halftone/ptq/calibrate.h"

namespace halftone {
namespace {

Energies energies_of(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor original = x.to(at::kFloat).contiguous(), other = y.to(at::kFloat).contiguous();
  auto values = [](const at::Tensor& tensor) {
    return std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()));
  };
  Energies energies;
  energies.add(values(original), values(other));
  return energies;
}

}  // namespace

Comparison compare_networks(const Network& original, const Network& quantized,
                            const std::map<std::string, std::string>& quantized_names, const Dataset& data,
                            const std::vector<size_t>& samples, size_t site_samples, const LoadOptions& how, const Run& run) {
  const OneTorchThread one_thread;
  NetworkRun capture_original, capture_quantized;
  for (const auto& [name, other] : quantized_names) {
    capture_original.capture.insert(name);
    capture_quantized.capture.insert(other);
  }
  const std::string output = quantized.graph().outputs.at(0).name;
  const auto lists = split_batches(samples, how.batch);

  auto produce = [&](size_t b) {
    run.check_cancelled();
    OneTorchThread::enter_worker();
    const c10::InferenceMode inference;
    Comparison found;
    const Batch batch = load_batch(data, lists[b], how);
    if (batch.count == 0) return found;
    const bool compares_sites = b * how.batch < site_samples;
    const TensorMap inputs = network_inputs(original, batch);
    const TensorMap theirs = quantized.run(inputs, compares_sites ? capture_quantized : NetworkRun());
    found.outputs = real_rows(theirs.at(output), batch, how.batch);
    if (!compares_sites) return found;
    const TensorMap ours = original.run(inputs, capture_original);
    for (const auto& [name, other] : quantized_names) found.sites[name] = energies_of(ours.at(name), theirs.at(other));
    return found;
  };

  Comparison total;
  Progress progress(run, "checking the quantized network", samples.size());
  ordered_parallel<Comparison>(lists.size(), run.threads, produce, [&](size_t b, Comparison found) {
    std::ranges::move(found.outputs, std::back_inserter(total.outputs));
    for (const auto& [name, energies] : found.sites) total.sites[name] += energies;
    progress.advance(lists[b].size());
  });
  return total;
}

}  // namespace halftone
