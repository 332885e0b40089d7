#include "halftone/nn/op.h"

#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

namespace halftone {

const at::Tensor& NnInputs::operator[](size_t i) const {
  if (!has(i)) throw Error(node.label(), ": input ", i, " is missing");
  return values[i];
}

bool NnInputs::may_overwrite(size_t i) const {
  const at::Tensor& x = (*this)[i];
  return c10::InferenceMode::is_enabled() && x.use_count() == 1 && x.has_storage() &&
         x.storage().use_count() == 1 && x.is_non_overlapping_and_dense();
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
