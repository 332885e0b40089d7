#include "halftone/runtime/program.h"

#include <algorithm>
#include <array>

#include "halftone/export/prepare.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"
#include "halftone/runtime/memory_plan.h"
#include "halftone/runtime/native_op.h"
#include "halftone/runtime/ops/boundary.h"
#include "halftone/runtime/ops/float_layer.h"

namespace halftone::runtime {
namespace {

constexpr int64_t kLargestDimension = 1 << 24;

// The graph with every input's shape fixed.
Model with_fixed_inputs(const Model& model, const LoadOptions& options) {
  Model fixed = model;
  for (auto& input : fixed.graph.inputs) {
    const auto given = options.shapes.find(input.name);
    if (given != options.shapes.end()) {
      input.type.shape.emplace();
      for (int64_t dim : given->second) input.type.shape->push_back(Dim::of(dim));
    }
    if (!input.type.shape) continue;
    for (Dim& dim : *input.type.shape) {
      if (!dim.known()) dim = Dim::of(1);
      if (dim.value < 1 || dim.value > kLargestDimension)
        throw Error("the input '", input.name, "' has the shape ", to_string(*input.type.shape),
                    ": the native runtime takes dimensions of 1 to ", kLargestDimension);
    }
  }
  // What the file says of shapes may hold symbols that no longer stand for anything.
  fixed.graph.value_types.clear();
  for (auto& output : fixed.graph.outputs) output.type.shape.reset();
  return fixed;
}

// Weights that are float in the file, behind a QuantizeLinear (and a Clip), become codes.
void fold_quantized_constants(Graph& graph) {
  std::erase_if(graph.nodes, [&](const Node& node) {
    const bool is_asked_for = std::ranges::any_of(
        graph.outputs, [&](const auto& output) { return output.name == node.outputs.at(0); });
    const bool makes_codes = node.domain.empty() && !is_asked_for &&
                             (node.op_type == "QuantizeLinear" || node.op_type == "Clip");
    const auto inputs = makes_codes ? constant_inputs(graph, node) : std::nullopt;
    if (!inputs) return false;
    Tensor codes = evaluate_node(node, *inputs).at(0);
    if (!is_integer(codes.dtype())) return false;
    graph.initializers[node.outputs[0]] = std::move(codes);
    return true;
  });
}

class Loader {
 public:
  Loader(const Graph& graph, const LoadOptions& options)
      : graph_(graph), context_(graph, options) {}

  Program load() {
    add_inputs();
    for (const Node& node : graph_.nodes) {
      try {
        add(node);
      } catch (const Error& error) {
        throw Error("loading ", node.label(), " for the native runtime: ", error.what());
      }
    }
    for (const auto& output : graph_.outputs) program().outputs.push_back(plain(output.name));
    for (const auto& layer : program().layers) layer->prepare(program().values);
    plan();
    return std::move(program());
  }

 private:
  Program& program() { return context_.program(); }

  void add_inputs() {
    for (const auto& input : graph_.fed_inputs())
      program().inputs.push_back(context_.add_plain(input.name));
  }

  bool is_constant(const Node& node) const {
    return std::ranges::all_of(node.inputs, [&](const std::string& name) {
      return name.empty() || graph_.constant(name);
    });
  }

  void add(const Node& node) {
    if (context_.is_absorbed(context_.index_of(node))) return;
    const bool is_dequantizer = node.op_type == "DequantizeLinear" && node.domain.empty();
    if (is_dequantizer && is_constant(node)) return;  // its readers ask for it
    if (is_dequantizer) import_codes(node);
    if (is_dequantizer && context_.coded(node.outputs.at(0))) return;  // a reader of codes
    if (node.op_type == "QuantizeLinear" && add_quantizer(node)) return;
    std::string reason = "no native kernel";
    if (const NativeOp* native =
            node.domain.empty() ? Registry<NativeOp>::find(node.op_type) : nullptr)
      if (auto layer = native->make(context_, node, reason)) return append(std::move(layer), node);
    add_float(node, reason);
  }

  void append(std::unique_ptr<Layer> layer, const Node& node) {
    layer->name = node.name.empty() ? node.outputs.at(0) : node.name;
    if (layer->op.empty()) layer->op = node.op_type;
    program().weight_bytes += layer->weight_bytes();
    program().layers.push_back(std::move(layer));
  }

  bool add_quantizer(const Node& node) {
    const auto output = context_.quantized_output(node);
    if (!output || graph_.type(node.input(0)).dtype != DType::kFloat) return false;
    const int from = plain(node.input(0));
    const int to = context_.add_codes(*output);
    append(make_quantize_layer(from, to, context_.value(to)), node);
    return true;
  }

  // Plain bytes that a DequantizeLinear reads (an input of the graph) become codes.
  void import_codes(const Node& node) {
    const auto id = context_.find_plain(node.input(0));
    if (!id || context_.find_codes(node.input(0))) return;
    const DType dtype = context_.value(*id).dtype;
    if (dtype != DType::kUint8 && dtype != DType::kInt8) return;
    const int to = context_.add_codes(
        {node.input(0),
         {.scale = 1, .zero_point = 0, .qmax = 255, .shift = dtype == DType::kInt8 ? -128 : 0},
         {}});
    append(make_import_layer(*id, to, context_.value(to)), node);
  }

  // The plain tensor of a value, made from codes or constants where there is none yet.
  int plain(const std::string& name) {
    if (const auto known = context_.find_plain(name)) return *known;
    if (const Tensor constant = context_.constant(name); constant.defined()) {
      const int id = context_.add_plain(name);
      program().constants.emplace_back(id, constant);
      return id;
    }
    const auto coded = context_.coded(name);
    const Node* maker = context_.producer(name);
    if (!coded || !maker) throw Error("the value '", name, "' is used before it is computed");
    const Value codes = context_.value(coded->value);
    const bool is_dequantized = maker->op_type == "DequantizeLinear";
    const int id = context_.add_plain(name);
    append(is_dequantized ? make_dequantize_layer(*coded, id, codes)
                          : make_export_layer(coded->value, id, codes),
           *maker);
    return id;
  }

  void add_float(const Node& node, const std::string& reason) {
    require_supported(node);
    if (!node.captures().empty())
      throw Error("the native runtime runs no subgraphs (If, Loop, Scan)");
    std::vector<int> inputs, outputs;
    for (const std::string& name : node.inputs) inputs.push_back(name.empty() ? -1 : plain(name));
    for (const std::string& name : node.outputs)
      outputs.push_back(name.empty() ? -1 : context_.add_plain(name));
    append(make_float_layer(node, inputs, outputs, reason), node);
  }

  // Which step first and last touches each value; the caller's buffers and constants live outside
  // the arena.
  void plan() {
    Program& p = program();
    std::vector<Lifetime> lifetimes(p.values.size(), Lifetime{0, -1, -1});
    for (size_t step = 0; step < p.layers.size(); ++step) {
      for (const auto* list : {&p.layers[step]->inputs, &p.layers[step]->outputs})
        for (int id : *list) {
          if (id < 0) continue;
          Lifetime& life = lifetimes[static_cast<size_t>(id)];
          if (life.first < 0)
            life = {p.values[static_cast<size_t>(id)].bytes(), static_cast<int>(step), 0};
          life.last = static_cast<int>(step);
        }
    }
    size_t scratch = 0;
    for (const auto& layer : p.layers) scratch = std::max(scratch, layer->scratch_bytes());
    std::vector<bool> is_outside(p.values.size());
    for (int id : p.inputs) is_outside[static_cast<size_t>(id)] = true;
    for (int id : p.outputs) is_outside[static_cast<size_t>(id)] = true;
    for (const auto& [id, tensor] : p.constants) is_outside[static_cast<size_t>(id)] = true;
    for (size_t i = 0; i < p.values.size(); ++i)
      if (is_outside[i] || lifetimes[i].first < 0) lifetimes[i] = {0, 0, 0};
    const MemoryPlan memory = plan_memory(lifetimes);
    for (size_t i = 0; i < p.values.size(); ++i)
      p.offsets.push_back(is_outside[i] ? -1 : static_cast<int64_t>(memory.offsets[i]));
    p.scratch_offset = memory.bytes;
    p.arena_bytes = memory.bytes + aligned(scratch + kReadableTail);
  }

  const Graph& graph_;
  LoadContext context_;
};

void require_outputs_of_their_own(const Program& program) {
  for (int id : program.outputs) {
    const bool is_input = std::ranges::find(program.inputs, id) != program.inputs.end();
    const bool is_constant = std::ranges::any_of(
        program.constants, [&](const auto& constant) { return constant.first == id; });
    if (std::ranges::count(program.outputs, id) > 1)
      throw Error("the output '", program.values[static_cast<size_t>(id)].name,
                  "' is listed more than once");
    if (is_input || is_constant)
      throw Error("the output '", program.values[static_cast<size_t>(id)].name, "' is ",
                  is_input ? "an input" : "a constant", ": nothing computes it");
  }
}

}  // namespace

size_t Value::bytes() const {
  if (is_codes) return layout.bytes();
  return static_cast<size_t>(bytes_of(dtype, static_cast<uint64_t>(element_count(shape)))) +
         kReadableTail;
}

Program load_program(const Model& model, const LoadOptions& options) {
  Model prepared = prepare(with_fixed_inputs(model, options));
  fold_quantized_constants(prepared.graph);
  Program program = Loader(prepared.graph, options).load();
  require_outputs_of_their_own(program);
  return program;
}

void name_float_layers(const Program& program, const Run& run) {
  const Layer* first = nullptr;
  size_t count = 0;
  for (const auto& layer : program.layers) {
    if (!layer->is_float) continue;
    if (!first) first = layer.get();
    ++count;
  }
  if (first)
    run.warning(text(count, " of ", program.layers.size(),
                     " layers compute in float by plain loops, as ", first->op, " '", first->name,
                     "': ", first->reason, "; inspect --target native lists them"));
}

bool has_open_batch(const Graph& graph) {
  for (const auto& input : graph.fed_inputs())
    if (input.type.shape && !input.type.shape->empty() && !input.type.shape->front().known())
      return true;
  return false;
}

}  // namespace halftone::runtime
