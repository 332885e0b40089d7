#include "halftone/sensitivity/curvature.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"

namespace halftone {
namespace {

using Traces = std::map<std::string, double>;

// One differentiable pass over a batch: the tensors that are asked for, and the first output's
// log-probabilities of the real samples, [count, ..., classes], float64.
class Pass {
 public:
  Pass(const CurvatureInput& input, const Batch& batch) {
    NetworkRun how{.capture = input.activations};
    for (const std::string& name : input.weights)
      add(name, how.initializers[name] =
                    input.network.parameters().at(name).detach().clone().requires_grad_());
    // Before the first weight that is asked for nothing needs a gradient yet.
    how.replace = [&](const std::string& name, const at::Tensor& value) {
      const bool begins = input.activations.contains(name) && !value.requires_grad();
      return begins ? value.detach().clone().requires_grad_() : at::Tensor();
    };
    TensorMap values = input.network.run(network_inputs(input.network, batch), how);
    for (const std::string& name : input.activations) add(name, values.at(name));
    const auto count = static_cast<int64_t>(batch.count);
    at::Tensor output = values.at(input.network.graph().outputs.at(0).name);
    if (output.dim() < 2)
      throw Error(
          "curvature: the network's first output has no axis of classes behind the samples");
    log_probabilities_ = at::log_softmax(output.narrow(0, 0, count).to(at::kDouble), -1);
  }

  const at::Tensor& log_probabilities() const { return log_probabilities_; }
  const std::vector<std::string>& names() const { return names_; }

  // Of a scalar, by name; undefined where it does not depend on the tensor.
  std::vector<at::Tensor> gradients(const at::Tensor& scalar, bool keeps_graph,
                                    bool is_differentiable = false) const {
    return torch::autograd::grad({scalar}, tensors_, {}, keeps_graph, is_differentiable,
                                 /*allow_unused=*/true);
  }
  std::vector<at::Tensor> gradients(const std::vector<at::Tensor>& values,
                                    const std::vector<at::Tensor>& directions,
                                    bool keeps_graph) const {
    return torch::autograd::grad(values, tensors_, directions, keeps_graph, false,
                                 /*allow_unused=*/true);
  }

 private:
  void add(const std::string& name, const at::Tensor& tensor) {
    names_.push_back(name);
    tensors_.push_back(tensor);
  }

  std::vector<std::string> names_;
  std::vector<at::Tensor> tensors_;
  at::Tensor log_probabilities_;
};

// log p of classes drawn from p, summed over all places of one sample. logs: [..., classes].
at::Tensor drawn(const at::Tensor& logs, Rng& rng) {
  const at::Tensor flat = logs.reshape({-1, logs.size(-1)});
  const at::Tensor below = flat.detach().exp().cumsum(1).contiguous();
  at::Tensor classes = at::empty({flat.size(0), 1}, at::kLong);
  for (int64_t row = 0; row < flat.size(0); ++row) {
    const double* first = below.const_data_ptr<double>() + row * below.size(1);
    const auto found = std::upper_bound(first, first + below.size(1), rng.uniform()) - first;
    classes[row][0] = std::min<int64_t>(found, below.size(1) - 1);
  }
  return flat.gather(1, classes).sum();
}

double square_sum(const at::Tensor& gradient) {
  return gradient.to(at::kDouble).square().sum().item<double>();
}

Traces fisher_of(const CurvatureInput& input, const Batch& batch, const Run& run) {
  Traces sums;
  const Pass pass(input, batch);
  for (size_t row = 0; row < batch.count; ++row) {
    Rng rng = run.rng(text("fisher/", batch.indices[row]));
    const auto gradients = pass.gradients(
        drawn(pass.log_probabilities()[static_cast<int64_t>(row)], rng), row + 1 < batch.count);
    for (size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i].defined()) sums[pass.names()[i]] += square_sum(gradients[i]);
  }
  return sums;
}

at::Tensor random_signs(const at::Tensor& like, Rng& rng) {
  at::Tensor signs = at::empty(like.sizes(), at::kFloat);
  float* values = signs.mutable_data_ptr<float>();
  for (int64_t i = 0; i < signs.numel(); ++i) values[i] = rng.bits() >> 63 ? 1.0f : -1.0f;
  return signs;
}

// Times the batch's samples, so that sums over batches are of samples.
Traces hessian_of(const CurvatureInput& input, const Batch& batch, int probes, const Run& run) {
  const Pass pass(input, batch);
  const auto classes_of = pass.log_probabilities().size(1);
  if (pass.log_probabilities().dim() != 2 || std::ranges::max(batch.labels) >= classes_of)
    throw Error(
        "Hessian traces: the first output must be [samples, classes] with a class for each "
        "label");
  const at::Tensor classes = at::tensor(batch.labels, at::kLong).unsqueeze(1);
  const at::Tensor loss = -pass.log_probabilities().gather(1, classes).sum();
  const auto first = pass.gradients(loss, true, true);
  std::vector<at::Tensor> used;
  for (const at::Tensor& gradient : first)
    if (gradient.defined() && gradient.requires_grad()) used.push_back(gradient);
  Traces sums;
  if (used.empty()) return sums;
  for (int probe = 0; probe < probes; ++probe) {
    Rng rng = run.rng(text("hessian/", batch.indices.at(0), "/", probe));
    std::vector<at::Tensor> signs, used_signs;
    for (size_t i = 0; i < first.size(); ++i) {
      signs.push_back(first[i].defined() ? random_signs(first[i], rng) : at::Tensor());
      if (first[i].defined() && first[i].requires_grad()) used_signs.push_back(signs.back());
    }
    const auto products = pass.gradients(used, used_signs, probe + 1 < probes);
    for (size_t i = 0; i < products.size(); ++i)
      if (products[i].defined() && signs[i].defined())
        sums[pass.names()[i]] +=
            (products[i] * signs[i]).to(at::kDouble).sum().item<double>() / probes;
  }
  return sums;
}

// The mean over samples of what `of` sums for each batch, 0 for tensors without a gradient.
template <typename Of>
Traces mean_over(const CurvatureInput& input, const char* what, const Run& run, const Of& of) {
  struct Part {
    Traces sums;
    size_t samples = 0;
  };
  Traces total;
  for (const auto* names : {&input.weights, &input.activations})
    for (const std::string& name : *names) total[name] = 0;
  size_t samples = 0;
  over_batches<Part>(
      input.data, input.samples, input.load, run, what,
      [&](size_t, const Batch& batch) {
        const c10::InferenceMode differentiable(false);
        return batch.count ? Part{of(batch), batch.count} : Part();
      },
      [&](const Part& part) {
        for (const auto& [name, sum] : part.sums) total[name] += sum;
        samples += part.samples;
      });
  if (samples == 0) throw Error(what, ": no sample could be read");
  for (auto& [name, sum] : total) sum /= static_cast<double>(samples);
  return total;
}

}  // namespace

Traces fisher_traces(const CurvatureInput& input, const Run& run) {
  return mean_over(input, "Fisher information", run,
                   [&](const Batch& batch) { return fisher_of(input, batch, run); });
}

Traces hessian_traces(const CurvatureInput& input, int probes, const Run& run) {
  for (size_t sample : input.samples)
    if (input.data.labels()[sample] < 0)
      throw Error("Hessian traces: '", input.data.name(sample),
                  "' has no label, and the loss that is differentiated twice needs one; give "
                  "labelled data, or --method fisher");
  return mean_over(input, "Hessian traces", run,
                   [&](const Batch& batch) { return hessian_of(input, batch, probes, run); });
}

}  // namespace halftone
