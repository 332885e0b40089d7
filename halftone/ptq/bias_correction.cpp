#include "halftone/ptq/bias_correction.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <map>

#include "halftone/data/loader.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"
#include "halftone/ptq/calibrate.h"

namespace halftone {
namespace {

// Mean over everything but the channel axis 1, in double.
at::Tensor channel_means(const at::Tensor& value) {
  std::vector<int64_t> axes;
  for (int64_t axis = 0; axis < value.dim(); ++axis)
    if (axis != 1) axes.push_back(axis);
  return value.to(at::kDouble).mean(axes);
}

// What a network must be fed: one batch of all samples. A model with a fixed batch axis takes as many as fit.
Batch one_batch(const Graph& graph, const Dataset& data, std::vector<size_t> samples, bool skip_broken) {
  size_t rows = samples.size();
  for (const Value& input : graph.fed_inputs())
    if (input.type.shape && !input.type.shape->empty() && (*input.type.shape)[0].known())
      rows = static_cast<size_t>((*input.type.shape)[0].value);
  samples.resize(std::min(rows, samples.size()));
  return load_batch(data, samples, {.batch = rows, .skip_broken = skip_broken});
}

}  // namespace

BiasCorrection bias_correction_named(const std::string& name) {
  if (name == "none") return BiasCorrection::kNone;
  if (name == "empirical") return BiasCorrection::kEmpirical;
  if (name == "analytic") return BiasCorrection::kAnalytic;
  throw UsageError("unknown bias correction '", name, "'; known are: none, empirical, analytic");
}

void give_biases(Graph& graph) {
  for (Node& node : graph.nodes) {
    const bool is_layer = (node.op_type == "Conv" || node.op_type == "Gemm") && node.domain.empty();
    const Tensor* weight = is_layer ? graph.constant(node.input(1)) : nullptr;
    if (!weight || !node.input(2).empty() || weight->dtype() != DType::kFloat) continue;
    const int axis = output_channel_axis(node, weight->rank());
    const int64_t channels = weight->shape().at(static_cast<size_t>(axis));
    node.inputs.resize(3);
    node.inputs[2] = graph.unique_name(node.inputs[1] + "_bias");
    graph.initializers[node.inputs[2]] = Tensor::of<float>({channels}, std::vector<float>(static_cast<size_t>(channels)));
  }
}

void correct_biases(Graph& graph, const Network& original, const Network& quantized, const Placement& placement,
                    const Dataset& data, const std::vector<size_t>& samples, bool skip_broken, const Run& run) {
  const OneTorchThread one_thread;
  const c10::InferenceMode inference;
  std::map<std::string, std::string> bias_of;  // a layer's output -> its bias
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool is_layer = node.op_type == "Conv" || node.op_type == "Gemm";
    const bool is_quantized = placement.is_integer[i] || placement.find(node.input(1), SiteKind::kWeight);
    if (is_quantized && is_layer && graph.constant(node.input(2))) bias_of[node.outputs[0]] = node.inputs[2];
  }
  const Batch batch = one_batch(graph, data, samples, skip_broken);
  if (batch.count == 0) return;
  const TensorMap inputs = network_inputs(original, batch);

  Progress progress(run, "correcting biases", 2 * bias_of.size());
  std::map<std::string, at::Tensor> means;
  original.run(inputs, {.observe = [&](const std::string& name, const at::Tensor& value) {
    if (!bias_of.contains(name)) return;
    run.check_cancelled();
    means[name] = channel_means(value);
    progress.advance();
  }});
  quantized.run(inputs, {.replace = [&](const std::string& name, const at::Tensor& value) {
    const auto layer = bias_of.find(name);
    if (layer == bias_of.end()) return at::Tensor();
    run.check_cancelled();
    const at::Tensor shift = (channel_means(value) - means.at(name)).to(at::kFloat);
    Tensor& bias = graph.initializers.at(layer->second);
    bias = from_torch(to_torch(bias) - shift);
    progress.advance();
    std::vector<int64_t> shape(static_cast<size_t>(value.dim()), 1);
    shape[1] = shift.numel();
    return value - shift.reshape(shape);
  }});
}

}  // namespace halftone
