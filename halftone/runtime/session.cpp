#include "halftone/runtime/session.h"

#include <chrono>
#include <exception>

namespace halftone::runtime {
namespace {

Port port_of(const Value& value) { return {value.name, value.dtype, value.shape}; }

}  // namespace

size_t Port::elements() const { return static_cast<size_t>(element_count(shape)); }
size_t Port::bytes() const {
  return static_cast<size_t>(bytes_of(dtype, static_cast<uint64_t>(elements())));
}

Session::Session(std::shared_ptr<const Program> program, SessionOptions options)
    : program_(std::move(program)),
      arena_(program_->arena_bytes),
      data_(program_->values.size()),
      pool_(options.threads) {
  for (int id : program_->inputs)
    inputs_.push_back(port_of(program_->values[static_cast<size_t>(id)]));
  for (int id : program_->outputs)
    outputs_.push_back(port_of(program_->values[static_cast<size_t>(id)]));
  for (size_t i = 0; i < data_.size(); ++i)
    if (program_->offsets[i] >= 0) data_[i] = arena_.data() + program_->offsets[i];
  for (const auto& [id, tensor] : program_->constants)
    data_[static_cast<size_t>(id)] =
        const_cast<std::byte*>(tensor.bytes().data());  // never written: no layer's output
}

bool Session::run(std::span<const void* const> inputs, std::span<void* const> outputs) noexcept {
  try {
    if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size())
      throw Error("the network has ", inputs_.size(), " inputs and ", outputs_.size(),
                  " outputs, not ", inputs.size(), " and ", outputs.size());
    for (size_t i = 0; i < inputs.size(); ++i)
      data_[static_cast<size_t>(program_->inputs[i])] =
          const_cast<std::byte*>(static_cast<const std::byte*>(inputs[i]));
    for (size_t i = 0; i < outputs.size(); ++i)
      data_[static_cast<size_t>(program_->outputs[i])] = static_cast<std::byte*>(outputs[i]);
    run_layers();
    return true;
  } catch (const std::exception& error) {
    error_ = error.what();
    return false;
  }
}

void Session::run_layers() {
  const Context context{data_.data(), arena_.data() + program_->scratch_offset, pool_};
  auto before = std::chrono::steady_clock::now();
  for (size_t i = 0; i < program_->layers.size(); ++i) {
    const Layer& layer = *program_->layers[i];
    layer.run(context);
    for (int id : layer.outputs) {
      if (id < 0) continue;
      const Value& value = program_->values[static_cast<size_t>(id)];
      if (value.is_codes) fill_border(value.layout, value.border_zero, context.at<uint8_t>(id));
    }
    if (!timer_) continue;
    const auto now = std::chrono::steady_clock::now();
    timer_(timer_user_, i, std::chrono::duration<double>(now - before).count());
    before = std::chrono::steady_clock::now();
  }
}

void Session::time_layers(LayerTimer timer, void* user) {
  timer_ = timer;
  timer_user_ = user;
}

void Session::poison(std::byte pattern) {
  std::memset(arena_.data(), static_cast<int>(pattern), arena_.size());
}

}  // namespace halftone::runtime
