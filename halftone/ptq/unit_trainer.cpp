#include "halftone/ptq/unit_trainer.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "halftone/base/ordered_parallel.h"
#include "halftone/nn/threads.h"
#include "halftone/ptq/soft_rounding.h"

namespace halftone {
namespace {

// A batch is learned from in so many parts, a part a worker: the sum of their gradients does not
// depend on the threads. A network of a fixed batch dimension takes as many as make a batch.
constexpr size_t kParts = 4;
constexpr size_t kSamplesToJudge = 128;

TensorMap read_all(const CacheMap& caches, std::span<const size_t> samples) {
  TensorMap values;
  for (const auto& [name, cache] : caches) values[name] = cache->read(samples);
  return values;
}

// Sum over channels, mean over samples and space, of |difference|^exponent; summed over the
// outputs. `count` samples make the mean.
at::Tensor error_of(const TensorMap& outputs, const TensorMap& targets,
                    const TensorMap& error_weights, double exponent, size_t count) {
  at::Tensor total;
  for (const auto& [name, target] : targets) {
    const at::Tensor difference = outputs.at(name) - target;
    at::Tensor error = exponent == 2 ? difference.square() : difference.abs().pow(exponent);
    if (const auto weight = error_weights.find(name); weight != error_weights.end())
      error = error * weight->second.square();
    const int64_t channels = target.dim() > 1 ? target.size(1) : 1;
    const auto places = static_cast<double>(target.numel() / (target.size(0) * channels)) *
                        static_cast<double>(count);
    const at::Tensor mean = error.sum() / places;
    total = total.defined() ? total + mean : mean;
  }
  return total;
}

class UnitTrainer {
 public:
  UnitTrainer(const Graph& graph, const QuantizedRegion& region, const UnitData& data,
              const Reconstruction& how, const ReconstructionOptions& options,
              const Placement& placement, const QuantizedSites& sites, const Run& run)
      : region_(region),
        data_(data),
        how_(how),
        options_(options),
        placement_(placement),
        run_(run),
        rng_(run.rng("reconstruct/" + region.region().name)) {
    hard_ = present_quantizers(region, sites, how);
    if (how.learns_rounding)
      for (const std::string& name : region.weight_sites()) {
        const QuantParams& params = sites.weights.at(name).params;
        if (params.bits > 1 && !options.frozen.contains(name))
          roundings_.emplace(name, SoftRounding(graph.initializers.at(name), params));
      }
    if (how.learns_biases)
      for (const QuantizedRegion::Bias& bias : region.biases())
        if (!options.frozen.contains(bias.weight)) {
          const auto moved = sites.moved_biases.find(bias.name);
          const auto& values = moved == sites.moved_biases.end() ? bias.values : moved->second;
          biases_[bias.name] = at::tensor(at::ArrayRef<float>(values)).requires_grad_();
        }
    if (how.learns_steps)
      for (const std::string& owner : region.own_owners()) {
        if (options.frozen.contains(owner) || !hard_.steps.contains(owner)) continue;
        steps_[owner] = hard_.steps.at(owner).clone().requires_grad_();
        const auto limit = placement.find(owner, SiteKind::kActivation)->upper_limit;
        const CodeRange& codes = sites.activations.at(owner).range;
        largest_steps_[owner] =
            limit ? largest_scale(*limit, codes) : std::numeric_limits<float>::max();
      }
  }

  bool has_something_to_learn() const {
    return !roundings_.empty() || !steps_.empty() || !biases_.empty();
  }

  // Returns whether all iterations were run; stops where the time is up.
  bool run(const std::string& what) {
    const int iterations =
        std::max(1, static_cast<int>(options_.iterations * how_.iterations_share));
    std::vector<at::Tensor> variables, steps, biases;
    for (auto& [name, rounding] : roundings_) variables.push_back(rounding.variable());
    for (auto& [owner, step] : steps_) steps.push_back(step);
    for (auto& [name, bias] : biases_) biases.push_back(bias);
    torch::optim::Adam rounding_optimizer = adam(variables, options_.rounding_learning_rate);
    torch::optim::Adam step_optimizer = adam(steps, how_.step_learning_rate);
    torch::optim::Adam bias_optimizer = adam(biases, how_.bias_learning_rate);
    Progress progress(run_, what, static_cast<size_t>(iterations));
    for (int t = 0; t < iterations; ++t) {
      run_.check_cancelled();
      if (run_.is_time_up()) return false;
      find_gradients(rounding_exponent(t, iterations));
      rounding_optimizer.step();
      const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * t / iterations));
      for (auto& group : step_optimizer.param_groups())
        group.options().set_lr(how_.step_learning_rate * cosine);
      for (auto& group : bias_optimizer.param_groups())
        group.options().set_lr(how_.bias_learning_rate * cosine);
      step_optimizer.step();
      bias_optimizer.step();
      limit_steps();
      progress.advance();
    }
    return true;
  }

  // The loss over the first samples, everything rounded.
  double loss(const RegionQuantizers& quantizers) const {
    const c10::InferenceMode inference;
    const size_t count = std::min(data_.samples, kSamplesToJudge), rows = part_rows();
    double total = 0;
    for (size_t first = 0; first < count; first += rows) {
      std::vector<size_t> samples(rows);
      for (size_t i = 0; i < rows; ++i) samples[i] = (first + i) % data_.samples;
      const TensorMap outputs = region_.run(read_all(data_.quantized_inputs, samples), quantizers);
      total += error_of(outputs, read_all(data_.targets, samples),
                        read_all(data_.error_weights, samples), how_.error_exponent, rows)
                   .item<double>() *
               static_cast<double>(rows);
    }
    return total / static_cast<double>((count + rows - 1) / rows * rows);
  }

  const RegionQuantizers& before() const { return hard_; }

  void put_into(QuantizedSites& sites) const {
    for (const auto& [name, rounding] : roundings_) sites.weights.at(name) = rounding.hard();
    for (const Site& site : placement_.sites)
      if (const auto step = steps_.find(site.shares_with);
          site.kind == SiteKind::kActivation && step != steps_.end())
        sites.activations.at(site.name).scales[0] = step->second.item<float>();
    for (const auto& [name, bias] : biases_) {
      const float* values = bias.const_data_ptr<float>();
      sites.moved_biases[name] = std::vector<float>(values, values + bias.numel());
    }
  }

  double converged_share() const {
    double total = 0, count = 0;
    for (const auto& [name, rounding] : roundings_) {
      const auto size = static_cast<double>(rounding.variable().numel());
      total += rounding.converged_share() * size;
      count += size;
    }
    return count > 0 ? total / count : 1;
  }

 private:
  static torch::optim::Adam adam(std::vector<at::Tensor> tensors, double learning_rate) {
    if (tensors.empty()) tensors.push_back(at::zeros({1}));
    return torch::optim::Adam(std::move(tensors), torch::optim::AdamOptions(learning_rate));
  }

  size_t part_rows() const {
    return data_.rows_of_a_run ? data_.rows_of_a_run : static_cast<size_t>(options_.batch) / kParts;
  }
  size_t parts() const {
    const size_t rows = part_rows();
    return (static_cast<size_t>(options_.batch) + rows - 1) / rows;
  }

  // Draws a batch and sums its gradients into the variables.
  void find_gradients(std::optional<double> exponent) {
    const size_t rows = part_rows(), parts = this->parts();
    std::vector<size_t> drawn(rows * parts);
    for (size_t& sample : drawn) sample = rng_.below(data_.samples);
    std::vector<std::vector<uint32_t>> seeds(parts);
    for (auto& list : seeds) {
      list.resize(region_.activation_sites().size() + region_.region().inputs.size());
      for (uint32_t& seed : list) seed = static_cast<uint32_t>(rng_.bits());
    }

    TensorMap soft;  // of the roundings
    RegionQuantizers quantizers = hard_;
    quantizers.keep = how_.keep;
    quantizers.normalized_over = how_.normalizes_step_gradient ? static_cast<int>(parts) : 0;
    std::vector<at::Tensor> leaves;
    for (auto& [name, rounding] : roundings_) {
      soft[name] = rounding.soft_weight();
      leaves.push_back(quantizers.weights[name] = soft[name].detach().requires_grad_());
    }
    for (auto& [owner, step] : steps_)
      leaves.push_back(quantizers.steps[owner] = step.detach().requires_grad_());
    for (auto& [name, bias] : biases_)
      leaves.push_back(quantizers.weights[name] = bias.detach().requires_grad_());

    std::vector<at::Tensor> sums(leaves.size());
    using Gradients = std::vector<at::Tensor>;
    ordered_parallel<Gradients>(
        parts, run_.threads,
        [&](size_t part) {
          OneTorchThread::enter_worker();
          const at::AutoGradMode with_gradients(true);
          const std::span<const size_t> samples(drawn.data() + part * rows, rows);
          RegionQuantizers mine = quantizers;
          mine.seeds = seeds[part];
          const TensorMap outputs = region_.run(inputs(samples, seeds[part]), mine);
          const at::Tensor error =
              error_of(outputs, read_all(data_.targets, samples),
                       read_all(data_.error_weights, samples), how_.error_exponent, rows * parts);
          return torch::autograd::grad({error}, leaves, {}, std::nullopt, false,
                                       /*allow_unused=*/true);
        },
        [&](size_t, Gradients gradients) {
          for (size_t i = 0; i < sums.size(); ++i)
            if (gradients[i].defined())
              sums[i] = sums[i].defined() ? sums[i] + gradients[i] : gradients[i];
        });

    size_t next = 0;
    std::vector<at::Tensor> roots, root_gradients;
    for (auto& [name, rounding] : roundings_) {
      rounding.variable().mutable_grad().reset();
      if (const at::Tensor& gradient = sums[next++]; gradient.defined()) {
        roots.push_back(soft[name]);
        root_gradients.push_back(gradient);
      }
      if (!exponent) continue;
      roots.push_back(rounding.regularizer(*exponent));
      root_gradients.push_back(at::full({}, options_.rounding_weight));
    }
    if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
    for (auto& [owner, step] : steps_) step.mutable_grad() = sums[next++];
    for (auto& [name, bias] : biases_) bias.mutable_grad() = sums[next++];
  }

  // Each element of an input from the quantized network with probability `keep`, else from the
  // float one.
  TensorMap inputs(std::span<const size_t> samples, std::span<const uint32_t> seeds) const {
    TensorMap values = read_all(data_.quantized_inputs, samples);
    if (how_.keep >= 1) return values;
    size_t next = region_.activation_sites().size();
    for (auto& [name, value] : values) {
      const Keep keep{how_.keep, seeds[next++]};
      if (value.scalar_type() != at::kFloat) continue;
      const at::Tensor exact = data_.float_inputs.at(name)->read(samples);
      const auto count = static_cast<size_t>(value.numel());
      float* mixed = value.data_ptr<float>();
      choose_kept({mixed, count}, {exact.const_data_ptr<float>(), count}, mixed, keep);
    }
    return values;
  }

  void limit_steps() {
    const at::NoGradGuard no_grad;
    for (auto& [owner, step] : steps_) step.clamp_(1e-8, largest_steps_.at(owner));
  }

  const QuantizedRegion& region_;
  const UnitData& data_;
  const Reconstruction& how_;
  const ReconstructionOptions& options_;
  const Placement& placement_;
  const Run& run_;
  Rng rng_;
  RegionQuantizers hard_;
  std::map<std::string, SoftRounding> roundings_;
  std::map<std::string, at::Tensor> steps_;  // by owner
  std::map<std::string, at::Tensor> biases_;
  std::map<std::string, float> largest_steps_;  // a Clip's limit, by owner
};

}  // namespace

RegionQuantizers present_quantizers(const QuantizedRegion& region, const QuantizedSites& sites,
                                    const Reconstruction& how) {
  return how.quantizes_activations ? hard_quantizers(region, sites) : hard_weights(region, sites);
}

std::optional<UnitReport> train_unit(const Graph& graph, const QuantizedRegion& region,
                                     const UnitData& data, const Reconstruction& how,
                                     const ReconstructionOptions& options,
                                     const Placement& placement, QuantizedSites& sites,
                                     const std::string& progress, const Run& run) {
  const OneTorchThread one_thread;
  UnitReport report{.name = region.region().name};
  UnitTrainer trainer(graph, region, data, how, options, placement, sites, run);
  if (!trainer.has_something_to_learn()) return report;
  report.loss_before = trainer.loss(trainer.before());
  if (!trainer.run(progress)) return std::nullopt;
  QuantizedSites learned = sites;
  trainer.put_into(learned);
  report.loss_after = trainer.loss(present_quantizers(region, learned, how));
  report.converged_share = trainer.converged_share();
  report.is_improved = report.loss_after < report.loss_before;
  if (report.is_improved) sites = std::move(learned);
  return report;
}

}  // namespace halftone
