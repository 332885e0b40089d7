#include "halftone/qat/trained_network.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/nn/quantizers/element_factors.h"
#include "halftone/nn/tensors.h"

namespace halftone {

std::string state_name(SiteKind kind, const std::string& site, const std::string& tensor) {
  return text(to_string(kind), "/", site, "/", tensor);
}

TrainedNetwork::TrainedNetwork(const Graph& graph, SiteQuantizers quantizers)
    : network_(graph), quantizers_(std::move(quantizers)) {}

TensorMap TrainedNetwork::quantized_weights(const QuantizedRun& how) const {
  TensorMap weights;
  for (const auto& [site, quantizer] : quantizers_.weights) {
    const at::Tensor& own = network_.parameters().at(site);
    if (how.training) quantizer->observe(own.detach());
    const at::Tensor& given = weights[site] = quantizer->forward(own);
    if (how.watch) how.watch(SiteKind::kWeight, site, own, given);
  }
  for (const auto& [name, unused] : quantizers_.bias_factors) weights[name] = bias_now(name);
  return weights;
}

at::Tensor TrainedNetwork::bias_now(const std::string& name) const {
  const at::Tensor& own = network_.parameters().at(name);
  const auto factors = quantizers_.bias_factors.find(name);
  return factors == quantizers_.bias_factors.end() ? own : with_factors(own, factors->second);
}

Graph TrainedNetwork::graph() const {
  const at::NoGradGuard no_gradient;
  Graph graph = network_.write_back();
  for (const auto& [name, unused] : quantizers_.bias_factors)
    graph.initializers.at(name) = from_torch(bias_now(name));
  return graph;
}

// Adds to each bias, or to the shift of the normalization that it will be folded with, what
// rounding changes; straight through.
void TrainedNetwork::round_biases(TensorMap& values) const {
  const at::NoGradGuard no_gradient;
  const auto& parameters = network_.parameters();
  for (const RoundedBias& b : quantizers_.biases) {
    const auto input = quantizers_.activations.find(quantizers_.owners.at(b.input));
    const auto weight = quantizers_.weights.find(b.weight);
    if (input == quantizers_.activations.end() || weight == quantizers_.weights.end()) continue;
    at::Tensor step = scales_of(weight->second->params_of(parameters.at(b.weight))) *
                      input->second->params().scales[0];
    const at::Tensor own = b.bias.empty() ? at::zeros({1}) : bias_now(b.bias);
    at::Tensor bias = own;
    if (b.norm) {
      const at::Tensor deviation = (parameters.at(b.norm->variance) + b.norm->epsilon).sqrt();
      const at::Tensor factor = parameters.at(b.norm->gamma).detach() / deviation;
      bias = parameters.at(b.norm->beta).detach() + (own - parameters.at(b.norm->mean)) * factor;
      step = step * factor.abs().clamp_min(1e-20);
    }
    const at::Tensor change = (bias / step).round() * step - bias;
    const at::AutoGradMode with_gradient(true);
    if (b.norm)
      values[b.norm->beta] = parameters.at(b.norm->beta) + change;
    else
      values[b.bias] = bias_now(b.bias) + change;
  }
}

at::Tensor TrainedNetwork::quantized(const std::string& name, const at::Tensor& value,
                                     const QuantizedRun& how) const {
  const auto owner = quantizers_.owners.find(name);
  if (owner == quantizers_.owners.end()) return {};
  const auto found = quantizers_.activations.find(owner->second);
  if (found == quantizers_.activations.end()) return {};
  if (how.training) found->second->observe(value.detach());
  at::Tensor given = found->second->forward(value);
  if (how.watch) how.watch(SiteKind::kActivation, owner->second, value, given);
  return given;
}

TensorMap TrainedNetwork::run(const TensorMap& inputs, const QuantizedRun& how) const {
  NetworkRun run{.training = how.batch_statistics, .capture = how.capture, .observe = how.observe};
  if (how.quantizes) {
    run.initializers = quantized_weights(how);
    if (!how.batch_statistics) round_biases(run.initializers);
    run.replace = [&](const std::string& name, const at::Tensor& value) {
      return quantized(name, value, how);
    };
  }
  return network_.run(inputs, run);
}

// The whole network's values for the parameters of a part: weights quantized, running statistics
// copied.
TensorMap TrainedNetwork::part_values(const Network& part, bool rounds_biases) const {
  TensorMap values;
  for (const auto& [name, unused] : part.parameters()) {
    const at::Tensor& own = network_.parameters().at(name);
    const auto quantizer = quantizers_.weights.find(name);
    if (quantizer != quantizers_.weights.end())
      values[name] = quantizer->second->forward(own);
    else
      values[name] = network_.running_statistics().contains(name) ? own.clone() : bias_now(name);
  }
  if (rounds_biases) round_biases(values);
  return values;
}

TensorMap TrainedNetwork::run_part(const Network& part, const TensorMap& inputs,
                                   bool batch_statistics) const {
  NetworkRun run{.training = batch_statistics,
                 .initializers = part_values(part, !batch_statistics)};
  // What enters behind a cut is quantized already, or float on purpose.
  run.replace = [&](const std::string& name, const at::Tensor& value) {
    const bool is_cut = inputs.contains(name) && !network_.graph().is_input(name);
    return is_cut ? at::Tensor() : quantized(name, value, {});
  };
  return part.run(inputs, run);
}

TensorMap TrainedNetwork::run_statistics(const Network& like, const TensorMap& inputs) const {
  NetworkRun run{.training = true, .initializers = part_values(like, true)};
  run.replace = [&](const std::string& name, const at::Tensor& value) {
    return quantized(name, value, {});
  };
  like.run(inputs, run);
  TensorMap statistics;
  for (const std::string& name : like.running_statistics())
    statistics[name] = run.initializers.at(name);
  return statistics;
}

TensorMap TrainedNetwork::state() const {
  TensorMap state = network_.parameters();
  auto add = [&](SiteKind kind, const auto& quantizers) {
    for (const auto& [site, quantizer] : quantizers)
      for (const auto& [name, value] : quantizer->state())
        state[state_name(kind, site, name)] = value;
  };
  add(SiteKind::kWeight, quantizers_.weights);
  add(SiteKind::kActivation, quantizers_.activations);
  for (const auto& [name, factors] : quantizers_.bias_factors)
    state[text("bias/", name, "/elements")] = factors;
  return state;
}

void TrainedNetwork::restore(const TensorMap& state) const {
  const at::NoGradGuard no_gradient;
  for (const auto& [name, value] : this->state()) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != value.sizes())
      throw Error("restoring a training: '", name, "' is not there, or of another shape");
    value.copy_(found->second);
  }
}

}  // namespace halftone
