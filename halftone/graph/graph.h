// The network as halftone sees it: nodes in topological order over named values.
//
//   for (const Node& node : graph.nodes) ...
//   const Tensor* weight = graph.constant("conv1.weight");     // nullptr where it is computed or
//   fed
//
// Plain data. Passes (graph/passes/) are functions on it that leave the computed function
// unchanged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "halftone/graph/tensor.h"

namespace halftone {

// A part of a file that is carried through as it was read: serialised bytes, and the names of outer
// values that they use.
struct Opaque {
  std::string bytes;
  std::vector<std::string> captures;  // empty but for subgraphs (If, Loop, Scan)
  bool operator==(const Opaque&) const = default;
};

// float, int, string, tensor, floats, ints, strings; Opaque for subgraphs and every other kind.
using Attribute = std::variant<float, int64_t, std::string, Tensor, std::vector<float>,
                               std::vector<int64_t>, std::vector<std::string>, Opaque>;

using Attributes = std::map<std::string, Attribute>;

struct Node {
  std::string name = {};  // may be empty
  std::string op_type = {};
  std::string domain = {};                // "" is the ONNX domain
  std::vector<std::string> inputs = {};   // "" is an optional input that is left out
  std::vector<std::string> outputs = {};  // "" is an output that nobody asked for
  Attributes attributes = {};
  std::string unknown_fields =
      {};  // doc string, metadata and whatever else the file had, serialised

  // The attribute, or the default where it is absent. Throws Error where it has another kind.
  int64_t int_or(std::string_view attribute, int64_t fallback) const;
  float float_or(std::string_view attribute, float fallback) const;
  std::string string_or(std::string_view attribute, std::string fallback) const;
  std::vector<int64_t> ints_or(std::string_view attribute, std::vector<int64_t> fallback) const;
  std::vector<float> floats_or(std::string_view attribute, std::vector<float> fallback) const;
  const Tensor* tensor(std::string_view attribute) const;  // nullptr where absent
  bool has(std::string_view attribute) const;

  // The input's name, "" where it is left out or there are fewer.
  const std::string& input(size_t i) const;
  // "Conv 'conv1'", for messages; falls back to the first output's name.
  std::string label() const;
  // Outer values used inside its subgraphs.
  std::vector<std::string> captures() const;
};

// One dimension: a known size, a symbol ("batch") that is equal wherever it stands, or unknown
// (value -1, no symbol).
struct Dim {
  int64_t value = -1;
  std::string symbol;
  static Dim of(int64_t value) { return {value, {}}; }
  bool known() const { return value >= 0; }
  bool operator==(const Dim&) const = default;
};
using SymbolicShape = std::vector<Dim>;
std::string to_string(const SymbolicShape& shape);

// Type of a value, as far as it is known.
struct ValueType {
  DType dtype = DType::kUndefined;
  std::optional<SymbolicShape> shape;  // nullopt: not even the rank is known
  bool operator==(const ValueType&) const = default;
  // The shape where every dimension is known.
  std::optional<Shape> static_shape() const;
};
ValueType type_of(const Tensor& tensor);

// An input or output of the graph.
struct Value {
  std::string name;
  ValueType type;
  std::string unknown_fields;  // serialised; the whole type where it is not a tensor's
};

// How each channel (axis 1) of a value is distributed, as BatchNormalization had it before it was
// folded: about normal.
struct ChannelStatistics {
  std::vector<double> mean;       // beta
  std::vector<double> deviation;  // |gamma|
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;  // topological order
  std::map<std::string, Tensor>
      initializers;  // constants by name; may also be graph inputs (then they are defaults)
  std::vector<Value> inputs;
  std::vector<Value> outputs;
  std::map<std::string, ValueType>
      value_types;  // of inner values, where the file or infer_shapes() told
  std::map<std::string, ChannelStatistics> statistics =
      {};  // of inner values that a folded BatchNormalization made; not in files
  std::string unknown_fields;

  // The constant of that name: an initializer that is not an input. nullptr otherwise.
  const Tensor* constant(const std::string& name) const;
  bool is_input(const std::string& name) const;
  bool is_output(const std::string& name) const;
  // The inputs that a caller must feed: those without an initializer.
  std::vector<Value> fed_inputs() const;
  // What is known of a value: input, output, constant or inner.
  ValueType type(const std::string& name) const;
  // `wanted` if no value or node has that name, else `wanted` with the first free number behind it.
  std::string unique_name(const std::string& wanted) const;
};

// A graph with what stands around it in a file.
struct Model {
  Graph graph;
  int64_t ir_version = 8;
  std::map<std::string, int64_t> opsets{{"", 17}};
  std::string producer_name;
  std::string producer_version;
  std::vector<std::pair<std::string, std::string>> metadata;  // metadata_props, in the file's order
  std::string unknown_fields;  // functions, training info, doc string, ... serialised

  int64_t opset() const;  // of the ONNX domain; 0 where it is not imported
  // nullptr where there is no such key.
  const std::string* find_metadata(std::string_view key) const;
  void set_metadata(const std::string& key, std::string value);
};

// Sorts the nodes so that every value is made before it is used; keeps the order where it is good
// already. Throws Error naming a node on a cycle, a value with two producers, or a value that
// nothing makes.
void sort_topologically(Graph& graph);

}  // namespace halftone
