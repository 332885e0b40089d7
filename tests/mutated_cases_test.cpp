// ONNX's own test cases with one thing broken: an input, its shape or type, an attribute. Whatever
// comes of it, it is a tensor or an Error. Under the sanitizers this is a fuzzer that knows what
// operators look like.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"
#include "halftone/onnx/reader.h"
#include "onnx_cases.h"

namespace halftone {
namespace {

using Random = std::mt19937_64;

template <typename T>
void break_one(std::vector<T>& values, T value, Random& random) {
  if (values.empty()) return;
  values[random() % values.size()] = value;
}

// No number asks for a tensor that is large and yet allowed: the test itself stays small.
int64_t odd_number(Random& random) {
  constexpr int64_t kOdd[] = {0,
                              1,
                              2,
                              3,
                              5,
                              7,
                              -1,
                              -2,
                              -3,
                              (int64_t{1} << 31) + 1,
                              int64_t{1} << 40,
                              int64_t{1} << 62,
                              INT64_MAX,
                              INT64_MIN};
  return kOdd[random() % std::size(kOdd)];
}

float odd_float(Random& random) {
  constexpr float kOdd[] = {0, -1, 1, 2, 0.5f, 1e30f, -1e30f, NAN, INFINITY, 1e-30f};
  return kOdd[random() % std::size(kOdd)];
}

Tensor with_odd_value(const Tensor& x, Random& random) {
  if (x.count() > 4096) return x;
  if (x.dtype() == DType::kInt64) {
    auto values = x.to_vector<int64_t>();
    break_one(values, odd_number(random), random);
    return Tensor::of<int64_t>(x.shape(), std::move(values));
  }
  if (x.dtype() == DType::kFloat) {
    auto values = x.to_vector<float>();
    break_one(values, odd_float(random), random);
    return Tensor::of<float>(x.shape(), std::move(values));
  }
  return x;
}

Tensor with_odd_shape(const Tensor& x, Random& random) {
  Shape shape = x.shape();
  switch (random() % 4) {
    case 0:
      return x.reshaped({x.count()});
    case 1:
      shape.push_back(1);
      return x.reshaped(shape);
    case 2:
      shape.insert(shape.begin(), 1);
      return x.reshaped(shape);
    default:
      break;
  }
  if (shape.empty() || x.dtype() == DType::kString || bits_of(x.dtype()) < 8) return x;
  break_one(shape, static_cast<int64_t>(random() % 3),
            random);  // shorter along one axis, perhaps to nothing
  if (element_count(shape) > x.count()) return x;
  const auto size = bytes_of(x.dtype(), static_cast<uint64_t>(element_count(shape)));
  const auto bytes = x.bytes().first(size);
  return Tensor::from_bytes(x.dtype(), shape, {bytes.begin(), bytes.end()});
}

void break_attribute(Attribute& attribute, Random& random) {
  if (auto* number = std::get_if<int64_t>(&attribute))
    *number = odd_number(random);
  else if (auto* fraction = std::get_if<float>(&attribute))
    *fraction = odd_float(random);
  else if (auto* word = std::get_if<std::string>(&attribute))
    *word = random() % 2 ? "" : "nonsense";
  else if (auto* numbers = std::get_if<std::vector<int64_t>>(&attribute)) {
    if (random() % 3 == 0)
      numbers->resize(random() % 5, 1);
    else
      break_one(*numbers, odd_number(random), random);
  }
}

void break_something(Graph& graph, NamedTensors& inputs, Random& random) {
  const auto is_attribute = random() % 3 == 0;
  Node& node = graph.nodes[random() % graph.nodes.size()];
  if ((is_attribute || inputs.empty()) && !node.attributes.empty()) {
    const auto chosen = std::next(node.attributes.begin(),
                                  static_cast<std::ptrdiff_t>(random() % node.attributes.size()));
    return random() % 6 ? break_attribute(chosen->second, random)
                        : void(node.attributes.erase(chosen));
  }
  if (inputs.empty()) return;
  Tensor& input =
      std::next(inputs.begin(), static_cast<std::ptrdiff_t>(random() % inputs.size()))->second;
  switch (random() % 5) {
    case 0:
    case 1:
      input = with_odd_value(input, random);
      break;
    case 2:
    case 3:
      input = with_odd_shape(input, random);
      break;
    default:
      if (!node.inputs.empty()) node.inputs[random() % node.inputs.size()].clear();
  }
}

void expect_answer(const std::function<void()>& ask) {
  try {
    ask();
  } catch (const Error&) {
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

TEST(MutatedCases, AreAnsweredWithTensorsOrErrors) {
  Random random(1);
  int asked = 0;
  for (const OnnxCase& onnx_case : onnx_cases()) {
    if (onnx_case.group == "light") continue;  // whole networks, slow under the sanitizers
    const Model model = read_model(onnx_case.model);
    if (!has_tensors_only(model) || model.graph.nodes.empty()) continue;
    if (std::ranges::any_of(model.graph.nodes, [](const Node& node) { return !find_op(node); }))
      continue;
    const auto data = read_data(onnx_case, model);
    if (data.empty()) continue;
    for (int trial = 0; trial < 12; ++trial, ++asked) {
      SCOPED_TRACE(text(onnx_case.name, ", trial ", trial));
      Graph graph = model.graph;
      NamedTensors inputs = data[0].inputs;
      break_something(graph, inputs, random);
      expect_answer([&] { interpret(graph, inputs); });
      for (Value& input : graph.inputs)
        if (inputs.contains(input.name)) input.type = type_of(inputs[input.name]);
      for (const auto& [name, tensor] : inputs)
        if (tensor.dtype() == DType::kInt64) graph.initializers[name] = tensor;
      std::erase_if(graph.inputs,
                    [&](const Value& input) { return graph.initializers.contains(input.name); });
      expect_answer([&] { infer_shapes(graph); });
    }
  }
  if (asked == 0) GTEST_SKIP() << "no ONNX test cases in " << onnx_cases_folder();
}

}  // namespace
}  // namespace halftone
