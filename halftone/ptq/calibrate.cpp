#include "halftone/ptq/calibrate.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <set>
#include <utility>

#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"
#include "halftone/nn/tensors.h"
#include "halftone/quant/numeric.h"

namespace halftone {
namespace {

struct BatchFindings {
  std::map<std::string, std::unique_ptr<Observer>> observers;
  std::vector<std::vector<float>> outputs;
  Batch batch;
};

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// Names of the sites whose ranges are to be found from data.
std::set<std::string> observed_sites(const Placement& placement) {
  std::set<std::string> names;
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation && !site.fixed_range) names.insert(site.name);
  return names;
}

}  // namespace

at::Tensor real_values(const at::Tensor& value, const Batch& batch, size_t rows) {
  const bool is_batched = value.dim() > 0 && value.size(0) == static_cast<int64_t>(rows);
  const at::Tensor real =
      is_batched ? value.narrow(0, 0, static_cast<int64_t>(batch.count)) : value;
  return dense(real.to(at::kFloat));
}

std::vector<int64_t> axes_but_channels(const at::Tensor& value) {
  std::vector<int64_t> axes;
  for (int64_t axis = 0; axis < value.dim(); ++axis)
    if (axis != 1) axes.push_back(axis);
  return axes;
}

std::vector<std::vector<float>> real_rows(const at::Tensor& value, const Batch& batch,
                                          size_t batch_rows) {
  const at::Tensor real = real_values(value, batch, batch_rows).contiguous();
  const auto values = values_of(real);
  const size_t width = values.size() / batch.count;
  std::vector<std::vector<float>> rows;
  for (size_t row = 0; row < batch.count; ++row)
    rows.emplace_back(values.begin() + static_cast<int64_t>(row * width),
                      values.begin() + static_cast<int64_t>((row + 1) * width));
  return rows;
}

Calibration calibrate(const Network& network, const Placement& placement,
                      const std::string& observer, const Dataset& data, const LoadOptions& how,
                      const Run& run) {
  const auto& kind = Registry<ObserverKind>::get(observer);
  const auto sites = observed_sites(placement);
  const std::string first_output = network.graph().outputs.at(0).name;

  auto compute = [&](size_t, Batch batch) {
    BatchFindings found;
    found.batch = std::move(batch);
    if (found.batch.count == 0) return found;
    auto observe = [&](const std::string& name, const at::Tensor& value) {
      if (!sites.contains(name)) return;
      const at::Tensor rows = real_values(value, found.batch, how.batch);
      const MinMax extremes = min_max(values_of(rows));
      if (!extremes.all_finite)
        throw Error("calibrating: '", name, "' is NaN or infinite for a sample of '",
                    data.name(found.batch.indices.front()), "' .. '",
                    data.name(found.batch.indices.back()), "'");
      auto& seen = found.observers[name] = kind.make();
      seen->observe(values_of(rows), extremes);
    };
    const TensorMap outputs =
        network.run(network_inputs(network, found.batch), {.observe = observe});
    found.outputs = real_rows(outputs.at(first_output), found.batch, how.batch);
    found.batch.inputs.clear();
    return found;
  };

  Calibration result;
  std::vector<std::string> broken;
  over_batches<BatchFindings>(
      data, all_samples(data), how, run, "calibrating", compute, [&](BatchFindings found) {
        for (auto& [name, seen] : found.observers) {
          auto& total = result.observers[name];
          if (total)
            total->merge(*seen);
          else
            total = std::move(seen);
        }
        std::ranges::move(found.outputs, std::back_inserter(result.outputs));
        result.samples.insert(result.samples.end(), found.batch.indices.begin(),
                              found.batch.indices.end());
        broken.insert(broken.end(), found.batch.broken.begin(), found.batch.broken.end());
      });
  report_broken(broken, data.size(), run);
  return result;
}

}  // namespace halftone
