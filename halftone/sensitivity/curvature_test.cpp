#include "halftone/sensitivity/curvature.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "halftone/nn/network_inputs.h"
#include "tests/message_of.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

// x [N,3] -> logits [N,4].
Model linear_model() {
  Model model;
  model.graph.inputs = {float_value("x", {{-1, "batch"}, Dim::of(3)})};
  model.graph.outputs = {float_value("logits", {{-1, "batch"}, Dim::of(4)})};
  model.graph.initializers["w"] = Tensor::of<float>({4, 3}, random_values(12, 1));
  model.graph.nodes = {{.name = "fc",
                        .op_type = "Gemm",
                        .inputs = {"x", "w"},
                        .outputs = {"logits"},
                        .attributes = {{"transB", int64_t{1}}}}};
  return model;
}

class LabelledRows : public Dataset {
 public:
  explicit LabelledRows(int64_t label = 1)
      : Dataset({linear_model().graph.inputs}, std::vector<int64_t>(kRows, label), 4, "rows") {}
  static constexpr size_t kRows = 4000;
  std::string name(size_t i) const override { return "row " + std::to_string(i); }
  std::string describe() const override { return "rows"; }

 private:
  std::vector<Tensor> read(size_t i) const override {
    return {Tensor::of<float>({3}, random_values(3, i % 20))};
  }
};

// Of cross-entropy with logits Wx: tr(diag(p) - p p') |x|^2 for the weight, tr(W'(diag(p) - p p')W)
// for x; the Hessian of a linear layer is its Fisher information.
struct Dense {
  double weight = 0, input = 0;
};

Dense dense_traces() {
  const at::Tensor w = at::tensor(random_values(12, 1)).reshape({4, 3}).to(at::kDouble);
  Dense sum;
  for (size_t i = 0; i < 20; ++i) {
    const at::Tensor x = at::tensor(random_values(3, i)).to(at::kDouble),
                     p = at::softmax(at::mv(w, x), 0), h = at::diag(p) - at::outer(p, p);
    sum.weight += (h.trace() * x.square().sum()).item<double>() / 20;
    sum.input += at::mm(w.t(), at::mm(h, w)).trace().item<double>() / 20;
  }
  return sum;
}

TEST(Curvature, FisherTraceEqualsTheDenseOne) {
  const LabelledRows data(-1);
  const Network network(linear_model().graph);
  const Dense dense = dense_traces();
  for (size_t batch : {1, 8}) {
    const auto found = fisher_traces({network, {"w"}, {"x"}, data, all_samples(data), {batch}}, {});
    EXPECT_NEAR(found.at("w"), dense.weight, 0.05 * dense.weight) << batch;
    EXPECT_NEAR(found.at("x"), dense.input, 0.05 * dense.input) << batch;
  }
}

// A draw for each sample by its number: neither batches nor threads change it.
TEST(Curvature, FisherTraceDoesNotDependOnBatchesAndThreads) {
  const RandomImages data;
  const Network network(small_model().graph);
  auto traces = [&](size_t batch, int threads) {
    return fisher_traces(
        {network, {"a.weight", "fc.weight"}, {"image", "r"}, data, all_samples(data), {batch}},
        {.threads = threads});
  };
  const auto one = traces(1, 1), eight = traces(8, 1);
  EXPECT_EQ(one, traces(1, 3));
  for (const auto& [name, trace] : one) {
    EXPECT_GT(trace, 0) << name;
    EXPECT_NEAR(eight.at(name), trace, 1e-3 * trace) << name;
  }
}

TEST(Curvature, HessianTraceEqualsTheDenseOne) {
  const LabelledRows data;
  const Network network(linear_model().graph);
  const auto found =
      hessian_traces({network, {"w"}, {}, data, numbers_below(400), {20}}, 20, {.seed = 1});
  const double dense = dense_traces().weight;
  EXPECT_NEAR(found.at("w"), dense, 0.05 * dense);
}

class LabelledImages : public Dataset {
 public:
  LabelledImages()
      : Dataset({small_model().graph.inputs}, std::vector<int64_t>(8, 2), 4, "labelled images") {}
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "8 labelled images"; }

 private:
  std::vector<Tensor> read(size_t i) const override {
    return {Tensor::of<float>({3, 6, 6}, random_values(108, 100 + i))};
  }
};

// d loss / d `name` at the network's parameter plus `shift`.
at::Tensor gradient_at(const Network& network, const std::string& name, const at::Tensor& shift) {
  const LabelledImages data;
  const Batch batch = load_batch(data, all_samples(data), {.batch = 8});
  const at::Tensor parameter =
      (network.parameters().at(name).detach() + shift).clone().requires_grad_();
  const at::Tensor logits =
      network.run(network_inputs(network, batch), {.initializers = {{name, parameter}}})
          .at("logits");
  const at::Tensor loss = -at::log_softmax(logits.to(at::kDouble), 1).select(1, 2).mean();
  return torch::autograd::grad({loss}, {parameter})[0];
}

TEST(Curvature, HessianTraceThroughConvolutionsEqualsFiniteDifferences) {
  const Network network(small_model().graph);
  const LabelledImages data;
  const std::set<std::string> names{"fc.weight", "b.bias", "stem.bias"};
  constexpr size_t kSeeds = 8;
  std::map<std::string, std::vector<double>> estimates;
  for (uint64_t seed = 0; seed < kSeeds; ++seed)
    for (const auto& [name, trace] :
         hessian_traces({network, names, {}, data, all_samples(data), {8}}, 50, {.seed = seed}))
      estimates[name].push_back(trace);
  for (const std::string& name : names) {
    const at::Tensor& value = network.parameters().at(name);
    double dense = 0;
    for (int64_t i = 0; i < value.numel(); ++i) {
      constexpr double kStep = 1e-4;  // few ReLUs change sides
      at::Tensor shift = at::zeros_like(value);
      shift.view(-1)[i] = kStep;
      const at::Tensor difference =
          gradient_at(network, name, shift) - gradient_at(network, name, -shift);
      dense += difference.view(-1)[i].item<double>() / (2 * kStep);
    }
    double mean = 0, square = 0;
    for (double trace : estimates.at(name)) mean += trace / kSeeds;
    for (double trace : estimates.at(name)) square += (trace - mean) * (trace - mean);
    const double standard_error = std::sqrt(square / (kSeeds * (kSeeds - 1)));
    EXPECT_NEAR(mean, dense, 3 * standard_error) << name;
  }
}

TEST(Curvature, HessianTraceWantsLabels) {
  const Network network(small_model().graph);
  const RandomImages data;
  const std::string message = message_of([&] {
    hessian_traces({network, {"a.weight"}, {}, data, all_samples(data), {8}}, 1, {});
  });
  EXPECT_NE(message.find("'image 0' has no label"), std::string::npos) << message;
}

}  // namespace
}  // namespace halftone
