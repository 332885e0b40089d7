#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "halftone/base/ordered_parallel.h"
#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/reconstruction.h"
#include "halftone/ptq/unit_trainer.h"
#include "halftone/ptq/units.h"

namespace halftone {
namespace {

// What a unit came to, as bytes and back.
std::string pack_unit(const QuantizedRegion& region, const QuantizedSites& sites,
                      const UnitReport& report) {
  nlohmann::json json;
  for (const std::string& name : region.weight_sites()) {
    const auto& codes = sites.weights.at(name).codes;
    json["weights"][name] =
        nlohmann::json::binary(std::vector<uint8_t>(codes.begin(), codes.end()));
  }
  for (const std::string& owner : region.owners())
    json["steps"][owner] = sites.activations.at(owner).scales[0];
  for (const QuantizedRegion::Bias& bias : region.biases())
    if (const auto moved = sites.moved_biases.find(bias.name); moved != sites.moved_biases.end())
      json["biases"][bias.name] = moved->second;
  json["report"] = {report.loss_before, report.loss_after, report.converged_share,
                    report.is_improved};
  const auto bytes = nlohmann::json::to_cbor(json);
  return {bytes.begin(), bytes.end()};
}

UnitReport unpack_unit(const std::string& bytes, const QuantizedRegion& region,
                       const Placement& placement, QuantizedSites& sites) {
  const auto json = nlohmann::json::from_cbor(bytes.begin(), bytes.end());
  for (const std::string& name : region.weight_sites()) {
    const auto& stored = json.at("weights").at(name).get_binary();
    auto& codes = sites.weights.at(name).codes;
    if (stored.size() != codes.size())
      throw Error("the checkpoint holds another size of '", name, "'");
    std::ranges::transform(stored, codes.begin(),
                           [](uint8_t byte) { return static_cast<int8_t>(byte); });
  }
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation && json.contains("steps") &&
        json.at("steps").contains(site.shares_with))
      sites.activations.at(site.name).scales[0] =
          json.at("steps").at(site.shares_with).get<float>();
  if (json.contains("biases"))
    for (const auto& [name, values] : json.at("biases").items())
      sites.moved_biases[name] = values.get<std::vector<float>>();
  const auto& report = json.at("report");
  return {region.region().name, report[0], report[1], report[2], report[3]};
}

// The walk: for each value that is alive, what it is for every sample in the float and in the
// quantized network.
class Walk {
 public:
  Walk(const Graph& graph, const Placement& placement, QuantizedSites& sites,
       const Reconstruction& how, const ReconstructionOptions& options, const Dataset& data,
       const std::vector<size_t>& samples, const LoadOptions& load, const Run& run)
      : graph_(graph),
        placement_(placement),
        sites_(sites),
        how_(how),
        options_(with_defaults(options, graph)),
        data_(data),
        samples_(samples),
        load_(load),
        run_(run),
        regions_(units_of(graph, how.unit)) {
    budget_.limit_bytes = run.memory_bytes ? run.memory_bytes / 4 : uint64_t{1} << 30;
    if (!run.checkpoint.empty()) budget_.folder = run.checkpoint;
    const auto inputs = graph.fed_inputs();
    const auto& shape = inputs.at(0).type.shape;
    if (shape && !shape->empty() && shape->front().known())
      fixed_rows_ = static_cast<size_t>(shape->front().value);
  }

  std::vector<UnitReport> run(const Checkpoint& checkpoint, const std::string& name) {
    const OneTorchThread one_thread;
    std::vector<UnitReport> reports;
    if (run_.is_time_up() && !checkpoint.read(text(name, "-", 0))) {
      warn_of_time(0);
      return reports;
    }
    read_inputs();
    for (size_t i = 0; i < regions_.size(); ++i) {
      const std::string entry = text(name, "-", i);
      const auto stored = checkpoint.read(entry);
      if (!stored && run_.is_time_up()) {
        warn_of_time(i);
        break;
      }
      const QuantizedRegion region(graph_, regions_[i], placement_, sites_);
      const bool is_last = i + 1 == regions_.size();
      advance(float_, region, {});
      if (stored) {
        reports.push_back(unpack_unit(*stored, region, placement_, sites_));
      } else if (learns(region, i)) {
        auto report = learn(region, i);
        if (!report) {
          warn_of_time(i);
          break;
        }
        reports.push_back(*std::move(report));
        checkpoint.write(entry, pack_unit(region, sites_, reports.back()));
      }
      // What a later unit reads too is settled: the values behind this one were made with it.
      options_.frozen.insert(region.weight_sites().begin(), region.weight_sites().end());
      if (!is_last) advance(quantized_, region, present_quantizers(region, sites_, how_));
      forget(i);
    }
    return reports;
  }

 private:
  void warn_of_time(size_t done) const {
    run_.warning(text("the time is up: ", regions_.size() - done, " of ", regions_.size(),
                      " units keep their rounding"));
  }

  bool learns(const QuantizedRegion& region, size_t index) const {
    if (how_.skips_first && index == 0) return false;
    return (how_.learns_rounding && !region.weight_sites().empty()) ||
           (how_.learns_steps && !region.own_owners().empty()) ||
           (how_.learns_biases && !region.biases().empty());
  }

  std::optional<UnitReport> learn(const QuantizedRegion& region, size_t index) {
    UnitData data{.samples = samples_.size(), .rows_of_a_run = fixed_rows_};
    for (const std::string& input : region.region().inputs) {
      data.float_inputs[input] = float_.at(input);
      data.quantized_inputs[input] = quantized_.at(input);
    }
    for (const std::string& output : region.region().outputs)
      if (float_.at(output)->is_floating()) data.targets[output] = float_.at(output);
    if (data.targets.empty()) {
      run_.warning(text("reconstruction: '", region.region().name,
                        "' gives no floating-point value to learn from and stays as it is"));
      return UnitReport{.name = region.region().name};
    }
    if (options_.uses_fisher) data.error_weights = fisher_weights(region, index);
    const std::string what =
        text("reconstructing ", index + 1, "/", regions_.size(), " ", region.region().name);
    return train_unit(graph_, region, data, how_, options_, placement_, sites_, what, run_);
  }

  std::shared_ptr<ValueCache> cache_of(const std::string& name) {
    return std::make_shared<ValueCache>(name, samples_.size(), load_.batch, budget_);
  }

  // Fed values of all samples; the quantized network sees them through their quantizers.
  void read_inputs() {
    const auto inputs = graph_.fed_inputs();
    for (const Value& input : inputs) {
      float_[input.name] = cache_of(input.name);
      const bool is_site =
          how_.quantizes_activations && placement_.find(input.name, SiteKind::kActivation);
      quantized_[input.name] = is_site ? cache_of(input.name) : float_[input.name];
    }
    const auto lists = split_batches(samples_, load_.batch);
    size_t first = 0;
    Progress progress(run_, "reading samples", samples_.size());
    ordered_parallel<Batch>(
        lists.size(), run_.threads, [&](size_t b) { return load_batch(data_, lists[b], load_); },
        [&](size_t b, const Batch& batch) {
          run_.check_cancelled();
          for (size_t k = 0; k < inputs.size(); ++k) {
            const at::Tensor value = to_torch(batch.inputs.at(k));
            float_.at(inputs[k].name)->write(first, batch.count, value);
            if (quantized_.at(inputs[k].name) == float_.at(inputs[k].name)) continue;
            quantized_.at(inputs[k].name)
                ->write(first, batch.count,
                        fake_quantize(value, sites_.activations.at(inputs[k].name)));
          }
          first += batch.count;
          progress.advance(lists[b].size());
        });
  }

  // A cache for each of `names`, filled with what compute(rows) gives for the rows of each batch,
  // repeated to a whole one.
  template <typename Compute>
  void fill(CacheMap& caches, const std::vector<std::string>& names, const Compute& compute) {
    for (const std::string& name : names) caches[name] = cache_of(name);
    const auto lists = split_batches(numbers_below(samples_.size()), load_.batch);
    ordered_parallel<TensorMap>(
        lists.size(), run_.threads,
        [&](size_t b) {
          run_.check_cancelled();
          OneTorchThread::enter_worker();
          std::vector<size_t> rows = lists[b];
          for (size_t i = 0; rows.size() < load_.batch; ++i)
            rows.push_back(lists[b][i % lists[b].size()]);
          return compute(rows);
        },
        [&](size_t b, const TensorMap& values) {
          for (const std::string& name : names)
            caches.at(name)->write(lists[b].front(), lists[b].size(), values.at(name));
        });
  }

  static TensorMap read(const CacheMap& caches, const std::vector<std::string>& names,
                        const std::vector<size_t>& rows) {
    TensorMap values;
    for (const std::string& name : names) values[name] = caches.at(name)->read(rows);
    return values;
  }

  // Adds the region's outputs to `values`, computed from what they hold.
  void advance(CacheMap& values, const QuantizedRegion& region,
               const RegionQuantizers& quantizers) {
    fill(values, region.region().outputs, [&](const std::vector<size_t>& rows) {
      const c10::InferenceMode inference;
      return region.run(read(values, region.region().inputs, rows), quantizers);
    });
  }

  // |d KL(float || quantized) / d output| + 1 (BRECQ, eq. 10, with the authors' damping), the
  // network quantized up to and including the unit, float behind it.
  CacheMap fisher_weights(const QuantizedRegion& region, size_t index) {
    std::vector<int> rest_nodes;
    for (size_t k = index + 1; k < regions_.size(); ++k)
      rest_nodes.insert(rest_nodes.end(), regions_[k].nodes.begin(), regions_[k].nodes.end());
    const QuantizedRegion rest(graph_, region_of(graph_, "rest", rest_nodes), {}, {});
    const std::string logits = graph_.outputs.at(0).name;
    const std::vector<std::string>& outputs = region.region().outputs;
    std::vector<std::string> beside;  // what the rest reads of other units
    for (const std::string& name : rest.region().inputs)
      if (std::ranges::find(outputs, name) == outputs.end()) beside.push_back(name);
    const RegionQuantizers hard = present_quantizers(region, sites_, how_);
    // The last unit gives the logits itself.
    auto log_probabilities = [&](const TensorMap& values) {
      return at::log_softmax(
          values.contains(logits) ? values.at(logits) : rest.run(values, {}).at(logits), 1);
    };

    CacheMap result;
    fill(result, outputs, [&](const std::vector<size_t>& rows) {
      const at::AutoGradMode with_gradients(true);
      TensorMap exact = read(float_, beside, rows), changed = read(quantized_, beside, rows);
      exact.merge(read(float_, outputs, rows));
      std::vector<at::Tensor> leaves;
      for (const auto& [name, value] :
           region.run(read(quantized_, region.region().inputs, rows), hard))
        leaves.push_back(changed[name] = value.detach().requires_grad_());
      const at::Tensor target = log_probabilities(exact).detach();
      const at::Tensor kl = (target.exp() * (target - log_probabilities(changed))).sum();
      const auto gradients =
          torch::autograd::grad({kl}, leaves, {}, std::nullopt, false, /*allow_unused=*/true);
      TensorMap weights;
      size_t next = 0;
      for (const std::string& name :
           std::set<std::string>(outputs.begin(), outputs.end())) {  // the order of `leaves`
        const at::Tensor& gradient = gradients[next++];
        weights[name] = gradient.defined() ? gradient.abs() + 1 : at::ones_like(changed.at(name));
      }
      return weights;
    });
    return result;
  }

  // Drops the values that no later unit reads.
  void forget(size_t index) {
    std::set<std::string> needed;
    for (size_t k = index + 1; k < regions_.size(); ++k)
      needed.insert(regions_[k].inputs.begin(), regions_[k].inputs.end());
    std::erase_if(float_, [&](const auto& entry) { return !needed.contains(entry.first); });
    std::erase_if(quantized_, [&](const auto& entry) { return !needed.contains(entry.first); });
  }

  const Graph& graph_;
  const Placement& placement_;
  QuantizedSites& sites_;
  const Reconstruction& how_;
  ReconstructionOptions options_;
  const Dataset& data_;
  const std::vector<size_t>& samples_;
  const LoadOptions& load_;
  const Run& run_;
  const std::vector<Region> regions_;
  size_t fixed_rows_ = 0;
  CacheBudget budget_;
  CacheMap float_, quantized_;
};

}  // namespace

std::vector<UnitReport> reconstruct(const Graph& graph, const Placement& placement,
                                    QuantizedSites& sites, const Reconstruction& how,
                                    const ReconstructionOptions& options, const Dataset& data,
                                    const std::vector<size_t>& samples, const LoadOptions& load,
                                    const Checkpoint& checkpoint, const std::string& name,
                                    const Run& run) {
  return Walk(graph, placement, sites, how, options, data, samples, load, run)
      .run(checkpoint, name);
}

}  // namespace halftone
