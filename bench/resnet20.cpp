#include "bench/resnet20.h"

#include <ATen/ATen.h>

#include <cmath>

#include "halftone/nn/tensors.h"

namespace halftone::bench {
namespace {

// Layers are named STAGE.BLOCK.{first,second,shortcut}; stage s has 16, 32, 64 channels.
std::string layer(int stage, int block, const char* which) {
  return text(stage, ".", block, ".", which);
}
int stride_of(int stage, int block) { return stage > 0 && block == 0 ? 2 : 1; }

class Builder {
 public:
  Graph graph;

  void conv(const std::string& name, const std::string& from, const std::string& to, int64_t in,
            int64_t out, int64_t kernel, int64_t stride) {
    const double spread = std::sqrt(2.0 / static_cast<double>(in * kernel * kernel));
    graph.initializers[name + ".weight"] =
        from_torch(at::randn({out, in, kernel, kernel}) * spread);
    graph.initializers[name + ".bias"] = from_torch(at::randn({out}) * 0.1);
    const int64_t pad = kernel / 2;
    node("Conv", {from, name + ".weight", name + ".bias"}, to);
    graph.nodes.back().attributes = {{"strides", std::vector<int64_t>{stride, stride}},
                                     {"pads", std::vector<int64_t>{pad, pad, pad, pad}}};
  }
  void node(const std::string& op, std::vector<std::string> inputs, const std::string& output) {
    graph.nodes.push_back(
        {.name = output, .op_type = op, .inputs = std::move(inputs), .outputs = {output}});
  }
};

}  // namespace

Graph resnet20() {
  at::manual_seed(1);
  Builder b;
  const SymbolicShape image{{-1, "batch"}, Dim::of(3), Dim::of(32), Dim::of(32)};
  b.graph.inputs = {{"image", {DType::kFloat, image}, {}}};
  b.graph.outputs = {{"logits", {DType::kFloat, SymbolicShape{{-1, "batch"}, Dim::of(10)}}, {}}};
  b.conv("stem", "image", "stem", 3, 16, 3, 1);
  b.node("Relu", {"stem"}, "x");
  std::string x = "x";
  int64_t channels = 16;
  for (int stage = 0; stage < 3; ++stage)
    for (int block = 0; block < 3; ++block) {
      const int64_t wide = 16 << stage;
      const int stride = stride_of(stage, block);
      const std::string first = layer(stage, block, "first"),
                        second = layer(stage, block, "second");
      b.conv(first, x, first, channels, wide, 3, stride);
      b.node("Relu", {first}, first + "r");
      b.conv(second, first + "r", second, wide, wide, 3, 1);
      const std::string shortcut = layer(stage, block, "shortcut");
      if (stride == 2) b.conv(shortcut, x, shortcut, channels, wide, 1, 2);
      b.node("Add", {second, stride == 2 ? shortcut : x}, second + "a");
      x = second + "r";
      b.node("Relu", {second + "a"}, x);
      channels = wide;
    }
  b.node("GlobalAveragePool", {x}, "pooled");
  b.node("Flatten", {"pooled"}, "features");
  b.graph.initializers["fc.weight"] = from_torch(at::randn({10, 64}) * 0.1);
  b.graph.initializers["fc.bias"] = from_torch(at::randn({10}) * 0.1);
  b.node("Gemm", {"features", "fc.weight", "fc.bias"}, "logits");
  b.graph.nodes.back().attributes = {{"transB", int64_t{1}}};
  return b.graph;
}

at::Tensor resnet20_by_hand(const at::Tensor& image,
                            const std::map<std::string, at::Tensor>& weights) {
  auto conv = [&](const at::Tensor& x, const std::string& name, int64_t stride, int64_t pad) {
    return at::conv2d(x, weights.at(name + ".weight"), weights.at(name + ".bias"), stride, pad);
  };
  at::Tensor x = conv(image, "stem", 1, 1).relu_();
  for (int stage = 0; stage < 3; ++stage)
    for (int block = 0; block < 3; ++block) {
      const int stride = stride_of(stage, block);
      const at::Tensor shortcut = stride == 2 ? conv(x, layer(stage, block, "shortcut"), 2, 0) : x;
      at::Tensor y = conv(x, layer(stage, block, "first"), stride, 1).relu_();
      y = conv(y, layer(stage, block, "second"), 1, 1);
      x = y.add_(shortcut).relu_();
    }
  return at::linear(x.mean({2, 3}), weights.at("fc.weight"), weights.at("fc.bias"));
}

}  // namespace halftone::bench
