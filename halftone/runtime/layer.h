// One step of a native network: reads values, writes values; allocates nothing unless it computes
// in float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "halftone/base/thread_pool.h"
#include "halftone/graph/graph.h"
#include "halftone/runtime/codes.h"
#include "halftone/runtime/layout.h"

namespace halftone::runtime {

// What flows between layers: codes in the runtime's layout, or a plain row-major tensor.
struct Value {
  std::string name;
  Shape shape;
  bool is_codes = false;
  CodeType codes = {};              // of codes
  Layout layout = {};               // of codes
  uint8_t border_zero = 0;          // what its border holds
  DType dtype = DType::kUndefined;  // of plain tensors
  size_t bytes() const;
};

// What a layer works on while it runs.
struct Context {
  std::byte* const* data;  // by value; codes and plain tensors alike
  std::byte* scratch;      // scratch_bytes(), aligned
  ThreadPool& pool;

  template <typename T>
  T* at(int value) const {
    return reinterpret_cast<T*>(data[value]);
  }
};

class Layer {
 public:
  virtual ~Layer() = default;

  std::string name;    // of the node
  std::string op;      // operator as the graph has it
  std::string kernel;  // what computes it
  std::string reason;  // why that kernel
  uint64_t macs = 0;
  bool is_float = false;    // computes in float by a reference operator
  std::vector<int> inputs;  // values
  std::vector<int> outputs;

  // Called once, when every value has its final layout.
  virtual void prepare(std::span<const Value> /*values*/) {}
  virtual size_t scratch_bytes() const { return 0; }
  virtual size_t weight_bytes() const { return 0; }
  // Throws only where is_float.
  virtual void run(const Context& context) const = 0;
};

}  // namespace halftone::runtime
