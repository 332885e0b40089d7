// Runs a native program on the caller's buffers.
//
//   auto program = std::make_shared<Program>(load_program(read_model("resnet20-w4a4.onnx")));
//   Session session(program, {.threads = 2});
//   std::vector<float> image(session.inputs()[0].elements());
//   std::vector<float> logits(session.outputs()[0].elements());
//   if (!session.run({{image.data()}}, {{logits.data()}})) std::cerr << session.error();
//
// The constructor allocates everything; while it runs, only layers that compute in float allocate.
// One run at a time; several sessions may share a program.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "halftone/runtime/aligned_buffer.h"
#include "halftone/runtime/program.h"

namespace halftone::runtime {

// What the caller gives or gets: a dense row-major tensor.
struct Port {
  std::string name;
  DType dtype = DType::kFloat;
  Shape shape;
  size_t elements() const;
  size_t bytes() const;
};

struct SessionOptions {
  int threads = 1;  // results do not depend on it
};

// Told after every layer; `seconds` since the layer before.
using LayerTimer = void (*)(void* user, size_t layer, double seconds);

class Session {
 public:
  explicit Session(std::shared_ptr<const Program> program, SessionOptions options = {});

  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  const Program& program() const { return *program_; }

  // One buffer an input and an output, in order, each of the port's bytes. False where a float
  // layer failed (error() says why); then the outputs hold no result.
  [[nodiscard]] bool run(std::span<const void* const> inputs,
                         std::span<void* const> outputs) noexcept;
  const std::string& error() const { return error_; }

  // Calls `timer` after every layer from now on; nullptr: no more.
  void time_layers(LayerTimer timer, void* user);
  // Fills the memory between runs with a pattern: for tests, a run reads nothing that it did not
  // write.
  void poison(std::byte pattern);

 private:
  void run_layers();

  std::shared_ptr<const Program> program_;
  std::vector<Port> inputs_, outputs_;
  AlignedBuffer arena_;
  std::vector<std::byte*> data_;  // by value
  ThreadPool pool_;
  LayerTimer timer_ = nullptr;
  void* timer_user_ = nullptr;
  std::string error_;
};

}  // namespace halftone::runtime
