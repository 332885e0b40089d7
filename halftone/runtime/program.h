// A quantized network made ready to run: layers with packed weights, and where each value lies.
//
//   const Program program = load_program(read_model("resnet20-w4a4.onnx"));
//   for (const auto& layer : program.layers) std::cout << layer->name << " " << layer->kernel <<
//   "\n";
//
// Immutable: several sessions may share one.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/runtime/layer.h"

namespace halftone::runtime {

struct Program {
  std::vector<Value> values;
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<int> inputs;   // values that the caller gives, in the graph's order
  std::vector<int> outputs;  // values that the caller gets
  std::vector<std::pair<int, Tensor>> constants;  // plain values that never change

  // Bytes from the arena's start by value; -1 where the caller's buffer or a constant is the value.
  std::vector<int64_t> offsets;
  size_t scratch_offset = 0;
  size_t arena_bytes = 0;
  size_t weight_bytes = 0;  // packed
};

struct LoadOptions {
  // Shapes of inputs by name, for those that the file leaves open; other open dimensions are 1.
  std::map<std::string, Shape> shapes = {};
  // Computes every convolution by plain loops: the reference that all kernels equal bit for bit.
  bool use_reference = false;
};

// model: as it was read; quantized in any form that export/prepare.h brings to QDQ, or float (then
// everything is a float layer). Throws Error naming the node or value: a shape that stays unknown,
// an operator that no reference kernel has, sizes that overflow.
Program load_program(const Model& model, const LoadOptions& options = {});

// Warns through `run`, in one line, how many layers compute in float and why the first one does.
void name_float_layers(const Program& program, const Run& run);

// Whether an input leaves its first axis open: samples are then run one by one.
bool has_open_batch(const Graph& graph);

}  // namespace halftone::runtime
