// What an operator may ask of the graph while a program is loaded, and how it gets its values.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "halftone/graph/links.h"
#include "halftone/runtime/program.h"

namespace halftone::runtime {

// A node's input that is codes: the value, and what its reader takes the codes for.
struct CodedInput {
  int value = -1;
  CodeType type;
};

// A constant behind a DequantizeLinear.
struct QuantizedConstant {
  Tensor codes;
  std::vector<float> scales;         // one, or one a channel of `axis`
  std::vector<int32_t> zero_points;  // as many
  int64_t axis = -1;                 // -1: one scale
};

// Where a node's result becomes codes: behind it, through ReLU and Clip, at a QuantizeLinear and an
// integer Clip.
struct QuantizedOutput {
  std::string name;        // of the codes
  CodeType type;           // with what ReLU and Clip leave of its range
  std::vector<int> nodes;  // that the codes already tell
};

class LoadContext {
 public:
  // graph: prepared, its shapes inferred; outlives the context.
  LoadContext(const Graph& graph, const LoadOptions& options);

  const Graph& graph() const { return graph_; }
  const LoadOptions& options() const { return options_; }
  Program& program() { return program_; }
  const Value& value(int id) const { return program_.values[static_cast<size_t>(id)]; }

  // Throws Error naming the value where its shape is not known.
  Shape shape(const std::string& name) const;
  // nullopt where the input is not codes of one scale and at most 8 bits.
  std::optional<CodedInput> coded(const std::string& name) const;
  std::optional<QuantizedConstant> quantized_constant(const std::string& name) const;
  // A constant as it is, or what a DequantizeLinear makes of it; undefined where the value is
  // computed.
  Tensor constant(const std::string& name) const;

  // nullopt where its result is also read in float, or not quantized.
  std::optional<QuantizedOutput> quantized_output(const Node& node) const;

  // The value of a node's quantized output. Marks the nodes that it absorbs.
  int add_codes(const QuantizedOutput& output);
  // A plain tensor of that name. Throws Error where type or shape is not known.
  int add_plain(const std::string& name);
  // The border that a reader of `input` needs, which holds its zero.
  void widen(const CodedInput& input, int64_t top, int64_t left, int64_t bottom, int64_t right);
  // Whether a border of this reader's zero can stand around the value: every reader has the same,
  // and a byte holds it.
  bool can_widen(const CodedInput& input) const;

  bool is_absorbed(int node) const { return absorbed_[static_cast<size_t>(node)]; }
  // nullopt where there is none (yet).
  std::optional<int> find_codes(const std::string& name) const { return find(codes_, name); }
  std::optional<int> find_plain(const std::string& name) const { return find(plain_, name); }
  const Links& links() const { return links_; }
  int index_of(const Node& node) const { return static_cast<int>(&node - graph_.nodes.data()); }
  const Node* producer(const std::string& name) const;

 private:
  std::optional<QuantizedOutput> quantizer(int node, float low, float high) const;
  static std::optional<int> find(const std::map<std::string, int>& ids, const std::string& name);
  int add(Value value);

  const Graph& graph_;
  const LoadOptions& options_;
  Links links_;
  Program program_;
  std::map<std::string, int> codes_, plain_;  // values by name; some are both
  std::vector<bool> absorbed_;
  std::map<int, int32_t> border_zero_;  // by value
};

}  // namespace halftone::runtime
