#include "halftone/nn/ops/reference.h"

#include <algorithm>

#include "halftone/graph/op.h"
#include "halftone/nn/tensors.h"

namespace halftone {

NnOutputs via_reference(const NnInputs& in) {
  const GraphOp* op = find_op(in.node);
  if (!op) throw Error("the operator ", in.node.op_type, " has no reference kernel");
  Tensors tensors;
  for (const at::Tensor& value : in.values)
    tensors.push_back(value.defined() ? from_torch(value) : Tensor());
  std::vector<const Tensor*> values;
  for (const Tensor& tensor : tensors) values.push_back(tensor.defined() ? &tensor : nullptr);
  const Tensors outputs = op->evaluate({in.node, values});
  const at::Device device = in.has(0) ? in[0].device() : at::Device(at::kCPU);
  NnOutputs result;
  for (const Tensor& output : outputs) result.push_back(to_torch(output).to(device));
  return result;
}

bool computes_with(at::ScalarType type) {
  return type != at::kUInt16 && type != at::kUInt32 && type != at::kUInt64 &&
         !at::isFloat8Type(type);
}

bool has_computable_inputs(const NnInputs& in) {
  return std::ranges::all_of(in.values, [](const at::Tensor& value) {
    return !value.defined() || computes_with(value.scalar_type());
  });
}

}  // namespace halftone
