// The LibTorch form of an operator: what Network calls, differentiable where the operator is.
//
//   NnOutputs relu(const NnInputs& in) { return {at::relu(in[0])}; }
//   HALFTONE_REGISTER(NnOp, "Relu", relu);
//
// Same conventions as graph/op.h: the form of opset 13 or later, older and newer places of an
// argument both read. docs/extending.md shows how one is added.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/graph/graph.h"

namespace halftone {

using NnOutputs = std::vector<at::Tensor>;

struct NnInputs {
  const Node& node;
  std::span<const at::Tensor> values;  // undefined where an optional input is left out
  bool training = false;               // BatchNormalization and Dropout act as in training

  bool has(size_t i) const { return i < values.size() && values[i].defined(); }
  // Throws Error naming the node where the input is left out.
  const at::Tensor& operator[](size_t i) const;
  // Whether the result may be written over input i, as nobody else reads its memory; only where no
  // gradients are computed. The node that reads a value last holds it alone.
  bool may_overwrite(size_t i) const;
  // An integer input (axes, shapes, pads) as numbers. Throws Error where it is left out.
  std::vector<int64_t> ints(size_t i) const;
};

struct NnOp {
  static constexpr const char* kKind = "operator";
  std::string name;                   // op_type in the ONNX domain
  NnOutputs (*run)(const NnInputs&);  // throws Error (or c10::Error) on bad input
};

// nullptr where it is not registered or of another domain.
const NnOp* find_nn_op(const Node& node);

}  // namespace halftone
