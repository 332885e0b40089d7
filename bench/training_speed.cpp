// Time of a training step against the float step, and of the fused fake quantization against plain
// passes over memory and tensor operations. Prints ratios of one run, on one thread.
//
//   training_speed resnet20.onnx
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/onnx/reader.h"
#include "halftone/qat/guide.h"
#include "halftone/qat/losses.h"
#include "halftone/qat/training_network.h"

namespace halftone {
namespace {

// Least seconds of each piece of work, the pieces in turn.
std::vector<double> least_seconds(const std::vector<std::function<void()>>& works, int rounds) {
  std::vector<double> least(works.size(), 1e9);
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < works.size(); ++i) {
      const auto begin = std::chrono::steady_clock::now();
      works[i]();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      least[i] = std::min(least[i], took.count());
    }
  return least;
}

void measure_fake_quantize() {
  const at::Tensor x = torch::randn({128, 16, 32, 32});
  const at::Tensor grad = torch::randn_like(x);
  const at::Tensor leaf = x.clone().requires_grad_(),
                   scale = torch::full({1}, 0.3f).requires_grad_();
  at::Tensor copy = torch::empty_like(x), third = torch::empty_like(x);
  const FakeQuantizeOptions how{.range = {0, 15}};
  const FakeQuantizer quantizer{0.3f, 0, {0, 15}};
  const auto values = std::span(x.const_data_ptr<float>(), static_cast<size_t>(x.numel()));
  const auto grads = std::span(grad.const_data_ptr<float>(), values.size());
  const auto t = least_seconds(
      {[&] { copy.copy_(x); }, [&] { fake_quantize(values, quantizer, copy.data_ptr<float>()); },
       [&] { at::mul_out(third, x, grad); },
       [&] { fake_quantize_backward(values, grads, quantizer, third.data_ptr<float>()); },
       [&] { fake_quantize(leaf, scale, how).backward(grad); },
       [&] {
         const at::Tensor s = (scale - scale * 0.01).detach() + scale * 0.01;
         const at::Tensor steps = (leaf / s).clamp(0, 15);
         ((steps.round() - steps).detach() + steps).mul(s).backward(grad);
       }},
      40);
  std::printf("fake quantization of 128x16x32x32, one thread\n");
  std::printf("  forward, speed of a copy                     %.2f\n", t[0] / t[1]);
  std::printf("  backward, speed of two reads and a write     %.2f\n", t[2] / t[3]);
  std::printf("  both, times as fast as tensor operations     %.2f\n", t[5] / t[4]);
}

class Images : public Dataset {
 public:
  explicit Images(const Value& input)
      : Dataset({input}, std::vector<int64_t>(128, 0), 10, "noise") {}
  std::string name(size_t) const override { return "noise"; }
  std::string describe() const override { return "noise"; }

 private:
  std::vector<Tensor> read(size_t i) const override {
    std::vector<float> values(3 * 32 * 32);
    for (size_t k = 0; k < values.size(); ++k)
      values[k] = static_cast<float>((k * 7919 + i * 104729) % 1000) / 500 - 1;
    return {Tensor::of<float>({3, 32, 32}, values)};
  }
};

void measure_steps(const std::string& path) {
  const Model model = read_model(path);
  const Images data(model.graph.fed_inputs()[0]);
  TrainingNetworkOptions options{.calibration_samples = 32};
  options.quantize.weights = options.quantize.activations = 2;
  TrainingNetwork training(model, data, options, {});
  const TrainedNetwork& network = training.network();
  for (const auto& [name, value] : network.network().parameters())
    if (!network.network().running_statistics().contains(name) && value.dim() > 0)
      value.requires_grad_();
  for (const auto& [site, q] : network.quantizers().activations)
    for (const auto& [name, value] : q->parameters()) value.requires_grad_();
  for (const auto& [site, q] : network.quantizers().weights)
    for (const auto& [name, value] : q->parameters()) value.requires_grad_();
  const GuideOptions guiding;
  const halftone::Run run;
  const auto guide = Registry<GuideKind>::get("block-replacement")
                         .make({network, training.float_graph(), guiding, run});
  const TensorMap inputs =
      network_inputs(network.network(), load_batch(data, all_samples(data), {.batch = 128}));
  const Labels labels{at::zeros({128}, at::kLong)};
  const std::string& output = network.network().graph().outputs[0].name;
  auto step = [&](bool quantizes, bool is_guided) {
    QuantizedRun how{.training = true, .batch_statistics = true, .quantizes = quantizes};
    if (is_guided) how.capture = guide->captures();
    const TensorMap out = network.run(inputs, how);
    at::Tensor loss = label_loss(out.at(output), labels);
    if (is_guided) loss = loss + guide->loss({inputs, out, out.at(output), labels, 0, 0});
    loss.backward();
  };
  const auto t = least_seconds(
      {[&] { step(false, false); }, [&] { step(true, false); }, [&] { step(true, true); }}, 6);
  std::printf("a step of %s, batch 128, %d threads: float %.0f ms\n", path.c_str(),
              at::get_num_threads(), t[0] * 1e3);
  std::printf("  LSQ 2/2, times the float step                %.2f\n", t[1] / t[0]);
  std::printf("  block replacement, times the float step      %.2f\n", t[2] / t[0]);
  std::printf("  block replacement, times the LSQ step        %.2f\n", t[2] / t[1]);
}

}  // namespace
}  // namespace halftone

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: training_speed resnet20.onnx\n");
    return 2;
  }
  halftone::measure_steps(argv[1]);
  at::set_num_threads(1);
  halftone::measure_fake_quantize();
  return 0;
}
