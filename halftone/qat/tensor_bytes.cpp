#include "halftone/qat/tensor_bytes.h"

#include <torch/serialize.h>

#include <cstring>

#include "halftone/base/error.h"

namespace halftone {

std::string to_bytes(const TensorMap& tensors) {
  c10::Dict<std::string, at::Tensor> dict;
  for (const auto& [name, tensor] : tensors) dict.insert(name, tensor.detach());
  const std::vector<char> bytes = torch::pickle_save(dict);
  return {bytes.begin(), bytes.end()};
}

TensorMap tensors_from(const std::string& bytes) {
  try {
    const c10::IValue value = torch::pickle_load({bytes.begin(), bytes.end()});
    TensorMap tensors;
    for (const auto& entry : value.toGenericDict())
      tensors[entry.key().toStringRef()] = entry.value().toTensor();
    return tensors;
  } catch (const c10::Error& error) {
    throw Error("the checkpoint cannot be read: ", error.what_without_backtrace());
  }
}

at::Tensor bytes_tensor(const std::string& bytes) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr<uint8_t>(), bytes.data(), bytes.size());
  return tensor;
}

std::string tensor_bytes(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  return {reinterpret_cast<const char*>(dense.const_data_ptr<uint8_t>()),
          static_cast<size_t>(dense.numel())};
}

}  // namespace halftone
