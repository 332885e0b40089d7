#include "halftone/graph/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <set>
#include <unordered_map>

namespace halftone {
namespace {

template <typename T>
const T* find_attribute(const Node& node, std::string_view name) {
  const auto found = node.attributes.find(std::string(name));
  if (found == node.attributes.end()) return nullptr;
  if (const T* value = std::get_if<T>(&found->second)) return value;
  throw Error(node.label(), ": attribute '", name, "' has another type than the operator asks for");
}

template <typename T>
T attribute_or(const Node& node, std::string_view name, T fallback) {
  const T* value = find_attribute<T>(node, name);
  return value ? *value : std::move(fallback);
}

}  // namespace

int64_t Node::int_or(std::string_view attribute, int64_t fallback) const {
  return attribute_or<int64_t>(*this, attribute, fallback);
}
float Node::float_or(std::string_view attribute, float fallback) const {
  return attribute_or<float>(*this, attribute, fallback);
}
std::string Node::string_or(std::string_view attribute, std::string fallback) const {
  return attribute_or<std::string>(*this, attribute, std::move(fallback));
}
std::vector<int64_t> Node::ints_or(std::string_view attribute,
                                   std::vector<int64_t> fallback) const {
  return attribute_or<std::vector<int64_t>>(*this, attribute, std::move(fallback));
}
std::vector<float> Node::floats_or(std::string_view attribute, std::vector<float> fallback) const {
  return attribute_or<std::vector<float>>(*this, attribute, std::move(fallback));
}
const Tensor* Node::tensor(std::string_view attribute) const {
  return find_attribute<Tensor>(*this, attribute);
}
bool Node::has(std::string_view attribute) const {
  return attributes.contains(std::string(attribute));
}

const std::string& Node::input(size_t i) const {
  static const std::string kNone;
  return i < inputs.size() ? inputs[i] : kNone;
}

std::string Node::label() const {
  const std::string& shown = !name.empty() || outputs.empty() ? name : outputs[0];
  return text(domain.empty() ? "" : domain + ".", op_type, " '", shown, "'");
}

std::vector<std::string> Node::captures() const {
  std::vector<std::string> result;
  for (const auto& [key, attribute] : attributes)
    if (const auto* opaque = std::get_if<Opaque>(&attribute))
      result.insert(result.end(), opaque->captures.begin(), opaque->captures.end());
  return result;
}

std::string to_string(const SymbolicShape& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& dim = shape[i];
    result += (i ? "," : "") + (dim.known()          ? std::to_string(dim.value)
                                : dim.symbol.empty() ? "?"
                                                     : dim.symbol);
  }
  return result + "]";
}

std::optional<Shape> ValueType::static_shape() const {
  if (!shape) return std::nullopt;
  Shape result;
  for (const Dim& dim : *shape) {
    if (!dim.known()) return std::nullopt;
    result.push_back(dim.value);
  }
  return result;
}

ValueType type_of(const Tensor& tensor) {
  SymbolicShape shape;
  for (int64_t dim : tensor.shape()) shape.push_back(Dim::of(dim));
  return {tensor.dtype(), std::move(shape)};
}

const Tensor* Graph::constant(const std::string& wanted) const {
  const auto found = initializers.find(wanted);
  return found == initializers.end() || is_input(wanted) ? nullptr : &found->second;
}

bool Graph::is_input(const std::string& wanted) const {
  return std::ranges::any_of(inputs, [&](const Value& value) { return value.name == wanted; });
}

bool Graph::is_output(const std::string& wanted) const {
  return std::ranges::any_of(outputs, [&](const Value& value) { return value.name == wanted; });
}

std::vector<Value> Graph::fed_inputs() const {
  std::vector<Value> result;
  for (const Value& value : inputs)
    if (!initializers.contains(value.name)) result.push_back(value);
  return result;
}

ValueType Graph::type(const std::string& wanted) const {
  for (const auto* values : {&inputs, &outputs})
    for (const Value& value : *values)
      if (value.name == wanted && value.type.dtype != DType::kUndefined) return value.type;
  if (const auto found = initializers.find(wanted); found != initializers.end())
    return type_of(found->second);
  if (const auto found = value_types.find(wanted); found != value_types.end()) return found->second;
  return {};
}

std::string Graph::unique_name(const std::string& wanted) const {
  std::set<std::string> taken;
  for (const Value& value : inputs) taken.insert(value.name);
  for (const auto& [key, tensor] : initializers) taken.insert(key);
  for (const Node& node : nodes) {
    taken.insert(node.name);
    taken.insert(node.outputs.begin(), node.outputs.end());
    for (const std::string& capture : node.captures()) taken.insert(capture);
  }
  std::string result = wanted;
  for (int i = 1; taken.contains(result); ++i) result = wanted + "_" + std::to_string(i);
  return result;
}

int64_t Model::opset() const {
  const auto found = opsets.find("");
  return found == opsets.end() ? 0 : found->second;
}

const std::string* Model::find_metadata(std::string_view key) const {
  for (const auto& [other, value] : metadata)
    if (other == key) return &value;
  return nullptr;
}

void Model::set_metadata(const std::string& key, std::string value) {
  for (auto& [other, old] : metadata)
    if (other == key) {
      old = std::move(value);
      return;
    }
  metadata.emplace_back(key, std::move(value));
}

void sort_topologically(Graph& graph) {
  std::unordered_map<std::string, size_t> producer;
  std::set<std::string> given;
  for (const Value& value : graph.inputs)
    if (!given.insert(value.name).second)
      throw Error("two graph inputs are called '", value.name, "'");
  for (const auto& [name, tensor] : graph.initializers) given.insert(name);
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const std::string& output : graph.nodes[i].outputs) {
      if (output.empty()) continue;
      if (given.contains(output) || !producer.emplace(output, i).second)
        throw Error(graph.nodes[i].label(), " makes '", output,
                    "', which something else makes already");
    }

  std::vector<size_t> waiting(graph.nodes.size(), 0);
  std::vector<std::vector<size_t>> consumers(graph.nodes.size());
  auto needs = [&](size_t i, const std::string& name) {
    if (name.empty() || given.contains(name)) return;
    const auto found = producer.find(name);
    if (found == producer.end())
      throw Error(graph.nodes[i].label(), " reads '", name, "', which nothing makes");
    ++waiting[i];
    consumers[found->second].push_back(i);
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) needs(i, input);
    for (const std::string& input : graph.nodes[i].captures()) needs(i, input);
  }
  for (const Value& value : graph.outputs)
    if (!given.contains(value.name) && !producer.contains(value.name))
      throw Error("the graph's output '", value.name, "' is made by nothing");

  std::priority_queue<size_t, std::vector<size_t>, std::greater<>>
      ready;  // the lowest index first: stable
  for (size_t i = 0; i < waiting.size(); ++i)
    if (waiting[i] == 0) ready.push(i);
  std::vector<size_t> order;
  while (!ready.empty()) {
    const size_t i = ready.top();
    ready.pop();
    order.push_back(i);
    for (size_t next : consumers[i])
      if (--waiting[next] == 0) ready.push(next);
  }
  if (order.size() < graph.nodes.size())
    for (size_t i = 0; i < waiting.size(); ++i)
      if (waiting[i])
        throw Error(graph.nodes[i].label(), " stands on a cycle: it needs its own output");
  std::vector<Node> sorted;
  for (size_t i : order) sorted.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(sorted);
}

}  // namespace halftone
