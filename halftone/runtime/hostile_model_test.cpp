// Quantized networks with one thing broken: whatever comes of it, it is a result or an Error, and
// no byte outside the arena is touched (the sanitizers watch).
#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/base/rng.h"
#include "halftone/runtime/session.h"
#include "tests/quantized_network.h"
#include "tests/small_network.h"

namespace halftone::runtime {
namespace {

constexpr int64_t kOdd[] = {
    0,         1,        2, 3, 5, -1, -2, 255, 32768, (int64_t{1} << 31) + 1, int64_t{1} << 40,
    INT64_MAX, INT64_MIN};
constexpr float kOddFloats[] = {0, -1, 1e30f, -1e30f, NAN, INFINITY, 1e-30f, 1e-45f};

template <typename T, size_t kCount>
T any_of(const T (&values)[kCount], Rng& rng) {
  return values[rng.below(kCount)];
}

Tensor broken(const Tensor& tensor, Rng& rng) {
  if (tensor.count() == 0) return tensor;
  const uint64_t at = rng.below(static_cast<uint64_t>(tensor.count()));
  if (rng.below(4) == 0) return tensor.reshaped({1, 1, tensor.count()});
  if (tensor.dtype() == DType::kFloat) {
    auto values = tensor.to_vector<float>();
    values[at] = any_of(kOddFloats, rng);
    return Tensor::of<float>(tensor.shape(), values);
  }
  if (tensor.dtype() == DType::kInt32) {
    auto values = tensor.to_vector<int32_t>();
    values[at] = static_cast<int32_t>(any_of(kOdd, rng));
    return Tensor::of<int32_t>(tensor.shape(), values);
  }
  std::vector<std::byte> bytes(tensor.bytes().begin(), tensor.bytes().end());
  bytes[rng.below(bytes.size())] = static_cast<std::byte>(rng.below(256));
  return Tensor::from_bytes(tensor.dtype(), tensor.shape(), bytes);
}

void break_attribute(Node& node, Rng& rng) {
  for (auto& [name, attribute] : node.attributes) {
    if (rng.below(2)) continue;
    if (auto* number = std::get_if<int64_t>(&attribute)) *number = any_of(kOdd, rng);
    if (auto* numbers = std::get_if<std::vector<int64_t>>(&attribute); numbers && !numbers->empty())
      (*numbers)[rng.below(numbers->size())] = any_of(kOdd, rng);
  }
  if (node.op_type == "Conv" && rng.below(2))
    node.attributes["dilations"] = std::vector<int64_t>{any_of(kOdd, rng), 1};
}

void break_one_thing(Graph& graph, Rng& rng) {
  Node& node = graph.nodes[rng.below(graph.nodes.size())];
  Node& other = graph.nodes[rng.below(graph.nodes.size())];
  switch (rng.below(6)) {
    case 0:
      return break_attribute(node, rng);
    case 1: {
      auto found = std::next(graph.initializers.begin(),
                             static_cast<int64_t>(rng.below(graph.initializers.size())));
      found->second = broken(found->second, rng);
      return;
    }
    case 2:
      return std::swap(node.inputs[rng.below(node.inputs.size())],
                       other.inputs[rng.below(other.inputs.size())]);
    case 3:
      node.op_type = other.op_type;
      return;
    case 4:
      (*graph.inputs[0].type.shape)[rng.below(4)] = Dim::of(any_of(kOdd, rng));
      return;
    default:
      node.inputs.resize(rng.below(node.inputs.size() + 1));
  }
}

void load_and_run(const Model& model) {
  auto program = std::make_shared<Program>(load_program(model));
  uint64_t macs = 0;
  for (const auto& layer : program->layers) macs += layer->macs;
  if (program->arena_bytes > (size_t{1} << 24) || macs > 10'000'000) return;
  Session session(program, {.threads = 2});
  std::vector<std::vector<std::byte>> buffers;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const Port& port : session.inputs())
    inputs.push_back(buffers.emplace_back(port.bytes(), std::byte{0x3E}).data());
  for (const Port& port : session.outputs())
    outputs.push_back(buffers.emplace_back(port.bytes()).data());
  (void)session.run(inputs, outputs);
}

std::vector<std::map<std::string, Tensor>> two_images() {
  return {{{"image", Tensor::of<float>({1, 3, 6, 6}, random_values(108, 1))}},
          {{"image", Tensor::of<float>({1, 3, 6, 6}, random_values(108, 2))}}};
}

TEST(HostileModel, AGraphWithOneThingBrokenRunsOrIsRefused) {
  for (int bits : {8, 4, 2}) {
    const Model whole = quantized_network(small_model(), two_images(), bits, bits);
    size_t refused = 0, ran = 0;
    for (uint64_t seed = 0; seed < 400; ++seed) {
      Rng rng(seed, "broken graphs");
      Model model = whole;
      break_one_thing(model.graph, rng);
      try {
        load_and_run(model);
        ++ran;
      } catch (const Error&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, 40u);
    EXPECT_GT(ran, 40u);
  }
}

}  // namespace
}  // namespace halftone::runtime
