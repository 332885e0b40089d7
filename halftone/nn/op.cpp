#include "halftone/nn/op.h"

#include <ATen/ops/tensor.h>

namespace halftone {

const at::Tensor& NnInputs::operator[](size_t i) const {
  if (!has(i)) throw Error(node.label(), ": input ", i, " is missing");
  return values[i];
}

std::vector<int64_t> NnInputs::ints(size_t i) const {
  const at::Tensor values_ = (*this)[i].to(at::kLong).contiguous();
  const auto* data = values_.const_data_ptr<int64_t>();
  return {data, data + values_.numel()};
}

const NnOp* find_nn_op(const Node& node) {
  if (!node.domain.empty() && node.domain != "ai.onnx") return nullptr;
  return Registry<NnOp>::find(node.op_type);
}

}  // namespace halftone
