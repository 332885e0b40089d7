// What the graph knows of an operator: how its outputs' types follow, and one plain C++ kernel that
// computes them.
//
//   Tensors relu(const KernelInputs& in) { ... }
//   HALFTONE_REGISTER(GraphOp, "Relu", same_type_as_input, relu);
//
// The kernel is the reference: it serves constant folding, the tests' oracle and the native
// runtime's fall-back. It is meant to be obviously right, not fast. Operators are in the form of
// opset 13 or later (models of older opsets are lifted first), and where a later version moved an
// attribute to an input (or back), both forms are read, so no operator asks for the opset.
// docs/extending.md shows how one is added.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/graph/graph.h"

namespace halftone {

using Tensors = std::vector<Tensor>;

// A node and the values of its inputs.
struct KernelInputs {
  const Node& node;
  // nullptr where an optional input is left out. What subgraphs take from outside (node.captures())
  // follows the inputs.
  std::span<const Tensor* const> values;

  size_t size() const { return values.size(); }
  bool has(size_t i) const { return i < values.size() && values[i]; }
  // Throws Error naming the node where the input is left out.
  const Tensor& operator[](size_t i) const;
};

// What is known of a node's inputs, and where what follows for its outputs is written.
class InferenceContext {
 public:
  InferenceContext(const Node& node, std::vector<ValueType> inputs,
                   std::vector<const Tensor*> constants,
                   std::vector<std::optional<SymbolicShape>> contents);

  const Node& node() const { return node_; }
  size_t input_count() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && !node_.input(i).empty(); }
  // dtype kUndefined and no shape where nothing is known or the input is left out.
  const ValueType& input(size_t i) const;
  // The input's value where it is a constant, else nullptr.
  const Tensor* constant(size_t i) const;
  // The elements of an int64 input of rank 0 or 1 as far as they are known, each a Dim: shape
  // arithmetic over symbolic dimensions. A constant gives its values. nullopt where nothing is
  // known.
  const std::optional<SymbolicShape>& contents(size_t i) const;

  void set_output(size_t i, DType dtype, std::optional<SymbolicShape> shape);
  // Declares the elements of an int64 output of rank 0 or 1, as far as they are known.
  void set_contents(size_t i, SymbolicShape elements);

  const std::vector<ValueType>& outputs() const { return outputs_; }
  const std::vector<std::optional<SymbolicShape>>& output_contents() const {
    return output_contents_;
  }

 private:
  const Node& node_;
  std::vector<ValueType> inputs_;
  std::vector<const Tensor*> constants_;
  std::vector<std::optional<SymbolicShape>> contents_;
  std::vector<ValueType> outputs_;
  std::vector<std::optional<SymbolicShape>> output_contents_;
};

struct GraphOp {
  static constexpr const char* kKind = "operator";
  std::string name;                  // op_type in the ONNX domain
  void (*infer)(InferenceContext&);  // throws Error where the inputs cannot fit
  Tensors (*evaluate)(
      const KernelInputs&);  // throws Error on bad input; as many outputs as node.outputs
};

// The operator of a node of the ONNX domain ("" or "ai.onnx"); nullptr where it is not registered
// or of another domain.
const GraphOp* find_op(const Node& node);

// Shape inference of most one-to-one operators: output 0 has the type and shape of input 0.
void same_type_as_input(InferenceContext& context);

}  // namespace halftone
