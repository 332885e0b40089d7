// A small network with one residual block and random weights, and random images for it.
#pragma once

#include <string>
#include <vector>

#include "halftone/base/rng.h"
#include "halftone/data/dataset.h"
#include "halftone/graph/graph.h"

namespace halftone {

inline std::vector<float> random_values(size_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(rng.uniform() * 2 - 1);
  return values;
}

inline Value float_value(const std::string& name, SymbolicShape shape) {
  return {name, {DType::kFloat, std::move(shape)}, {}};
}

inline Node conv_node(const std::string& name, const std::string& input,
                      const std::string& output) {
  return {.name = name,
          .op_type = "Conv",
          .inputs = {input, name + ".weight", name + ".bias"},
          .outputs = {output},
          .attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}};
}

// image [N,3,6,6] -> stem + relu -> (a + relu -> b) added to it, relu -> global pooling -> fully
// connected -> logits [N,4]. Channels: 8. Sites: image, stem.weight, s, a.weight, ar, b.weight, b,
// r, ...
inline Model small_model() {
  Model model;
  Graph& g = model.graph;
  g.inputs = {float_value("image", {{-1, "batch"}, Dim::of(3), Dim::of(6), Dim::of(6)})};
  g.outputs = {float_value("logits", {{-1, "batch"}, Dim::of(4)})};
  g.initializers["stem.weight"] = Tensor::of<float>({8, 3, 3, 3}, random_values(216, 1));
  g.initializers["a.weight"] = Tensor::of<float>({8, 8, 3, 3}, random_values(576, 2));
  g.initializers["b.weight"] = Tensor::of<float>({8, 8, 3, 3}, random_values(576, 3));
  g.initializers["fc.weight"] = Tensor::of<float>({4, 8}, random_values(32, 4));
  for (const char* name : {"stem.bias", "a.bias", "b.bias"})
    g.initializers[name] = Tensor::of<float>({8}, random_values(8, 5));
  g.initializers["fc.bias"] = Tensor::of<float>({4}, random_values(4, 6));
  g.nodes = {
      conv_node("stem", "image", "sc"),
      {.name = "stem.relu", .op_type = "Relu", .inputs = {"sc"}, .outputs = {"s"}},
      conv_node("a", "s", "ac"),
      {.name = "a.relu", .op_type = "Relu", .inputs = {"ac"}, .outputs = {"ar"}},
      conv_node("b", "ar", "bc"),
      {.name = "add", .op_type = "Add", .inputs = {"bc", "s"}, .outputs = {"sum"}},
      {.name = "add.relu", .op_type = "Relu", .inputs = {"sum"}, .outputs = {"r"}},
      {.name = "pool", .op_type = "GlobalAveragePool", .inputs = {"r"}, .outputs = {"p"}},
      {.name = "flatten", .op_type = "Flatten", .inputs = {"p"}, .outputs = {"f"}},
      {.name = "fc",
       .op_type = "Gemm",
       .inputs = {"f", "fc.weight", "fc.bias"},
       .outputs = {"logits"},
       .attributes = {{"transB", int64_t{1}}}},
  };
  return model;
}

// 70 random images: not a whole number of batches.
class RandomImages : public Dataset {
 public:
  RandomImages()
      : Dataset({small_model().graph.inputs}, std::vector<int64_t>(70, -1), 0, "random images") {}
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "70 random images"; }

 private:
  std::vector<Tensor> read(size_t i) const override {
    return {Tensor::of<float>({3, 6, 6}, random_values(108, 100 + i))};
  }
};

}  // namespace halftone
