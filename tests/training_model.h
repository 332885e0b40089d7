// A small network with BatchNormalization, negative factors among them, and labelled images that it
// can learn to tell apart.
#pragma once

#include <string>
#include <vector>

#include "halftone/data/dataset.h"
#include "halftone/graph/graph.h"
#include "tests/small_network.h"

namespace halftone {

inline void add_batch_norm(Graph& g, const std::string& name, const std::string& input,
                           const std::string& output, uint64_t seed) {
  std::vector<float> gamma = random_values(8, seed), variance = random_values(8, seed + 1);
  for (float& x : gamma) x += x < 0 ? -0.5f : 0.5f;
  for (float& x : variance) x = 1 + x * x;
  g.initializers[name + ".gamma"] = Tensor::of<float>({8}, gamma);
  g.initializers[name + ".beta"] = Tensor::of<float>({8}, random_values(8, seed + 2));
  g.initializers[name + ".mean"] = Tensor::of<float>({8}, random_values(8, seed + 3));
  g.initializers[name + ".variance"] = Tensor::of<float>({8}, variance);
  g.nodes.push_back(
      {.name = name,
       .op_type = "BatchNormalization",
       .inputs = {input, name + ".gamma", name + ".beta", name + ".mean", name + ".variance"},
       .outputs = {output}});
}

// image [N,3,8,8] -> stem, bn, relu (s) -> a, bn, added to s, relu (r) -> b with stride 2, bn, relu
// (t, 4x4) -> pooling -> fully connected -> logits [N,4]. 8 channels; cut at r into two stages.
inline Model training_model() {
  Model model;
  Graph& g = model.graph;
  g.inputs = {float_value("image", {{-1, "batch"}, Dim::of(3), Dim::of(8), Dim::of(8)})};
  g.outputs = {float_value("logits", {{-1, "batch"}, Dim::of(4)})};
  g.initializers["stem.weight"] = Tensor::of<float>({8, 3, 3, 3}, random_values(216, 1));
  g.initializers["a.weight"] = Tensor::of<float>({8, 8, 3, 3}, random_values(576, 2));
  g.initializers["b.weight"] = Tensor::of<float>({8, 8, 3, 3}, random_values(576, 3));
  g.initializers["fc.weight"] = Tensor::of<float>({4, 8}, random_values(32, 4));
  g.initializers["fc.bias"] = Tensor::of<float>({4}, random_values(4, 6));
  auto conv = [&](const std::string& name, const std::string& input, int64_t stride) {
    g.nodes.push_back({.name = name,
                       .op_type = "Conv",
                       .inputs = {input, name + ".weight"},
                       .outputs = {name + ".out"},
                       .attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}},
                                      {"strides", std::vector<int64_t>{stride, stride}}}});
  };
  auto relu = [&](const std::string& input, const std::string& output) {
    g.nodes.push_back(
        {.name = output + ".relu", .op_type = "Relu", .inputs = {input}, .outputs = {output}});
  };
  conv("stem", "image", 1);
  add_batch_norm(g, "bn1", "stem.out", "stem.normal", 10);
  relu("stem.normal", "s");
  conv("a", "s", 1);
  add_batch_norm(g, "bn2", "a.out", "a.normal", 20);
  g.nodes.push_back(
      {.name = "add", .op_type = "Add", .inputs = {"a.normal", "s"}, .outputs = {"sum"}});
  relu("sum", "r");
  conv("b", "r", 2);
  add_batch_norm(g, "bn3", "b.out", "b.normal", 30);
  relu("b.normal", "t");
  g.nodes.push_back(
      {.name = "pool", .op_type = "GlobalAveragePool", .inputs = {"t"}, .outputs = {"p"}});
  g.nodes.push_back({.name = "flatten", .op_type = "Flatten", .inputs = {"p"}, .outputs = {"f"}});
  g.nodes.push_back({.name = "fc",
                     .op_type = "Gemm",
                     .inputs = {"f", "fc.weight", "fc.bias"},
                     .outputs = {"logits"},
                     .attributes = {{"transB", int64_t{1}}}});
  return model;
}

// 96 images of 4 classes: noise, and a stripe whose place tells the class.
class StripedImages : public Dataset {
 public:
  explicit StripedImages(bool has_labels = true)
      : Dataset({training_model().graph.inputs}, labels(has_labels), 4, "striped images") {}
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "96 striped images"; }

 private:
  static std::vector<int64_t> labels(bool has_labels) {
    std::vector<int64_t> result;
    for (int64_t i = 0; i < 96; ++i) result.push_back(has_labels ? i % 4 : -1);
    return result;
  }
  std::vector<Tensor> read(size_t i) const override {
    std::vector<float> values = random_values(192, 500 + i);
    for (size_t x = 0; x < 8; ++x) values[(i % 3) * 64 + (i % 4) * 16 + x] += 3;
    return {Tensor::of<float>({3, 8, 8}, values)};
  }
};

}  // namespace halftone
