// Operators that only move elements: Concat, Reshape, Flatten, Transpose, Slice, Pad, Resize by
// nearest, and others. Where every output element comes from is asked of the operator's reference
// kernel, once, with numbers for elements; what remains is copying.
#include <algorithm>
#include <cstring>

#include "halftone/graph/interpreter.h"
#include "halftone/runtime/code_map.h"
#include "halftone/runtime/native_op.h"

namespace halftone::runtime {
namespace {

struct Source {
  int input = -1;  // -1: a constant
  int64_t element = 0;
};

// Bytes that lie side by side in an input and in the output.
struct Stretch {
  int32_t from, to, count;
};

// Elements of one input; or of the constant, with from unused.
struct Part {
  std::vector<Stretch> stretches;
  CodeMap map;
  bool is_copied = true;  // the map changes nothing
};

class MoveLayer : public Layer {
 public:
  // sources: by output element.
  MoveLayer(std::vector<Source> sources, std::vector<CodeMap> maps, std::vector<bool> are_copied,
            uint8_t constant)
      : sources_(std::move(sources)), constant_(constant) {
    kernel = "copy";
    reason = "moves codes";
    for (size_t i = 0; i < maps.size(); ++i) parts_.push_back({{}, maps[i], are_copied[i]});
    parts_.emplace_back();
  }

  void prepare(std::span<const Value> values) override {
    std::vector<std::vector<int32_t>> from;
    for (int input : inputs) {
      const Value& value = values[static_cast<size_t>(input)];
      from.push_back(positions(value.shape, value.layout));
    }
    const Value& output = values[static_cast<size_t>(outputs[0])];
    const std::vector<int32_t> to = positions(output.shape, output.layout);
    // In the order of output bytes, so that channels stand side by side.
    std::vector<size_t> order(to.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, {}, [&](size_t i) { return to[i]; });
    for (const size_t i : order) {
      const Source& source = sources_[i];
      const bool is_constant = source.input < 0;
      Part& part = is_constant ? parts_.back() : parts_[static_cast<size_t>(source.input)];
      add(part,
          is_constant
              ? to[i]
              : from[static_cast<size_t>(source.input)][static_cast<size_t>(source.element)],
          to[i]);
    }
    sources_ = {};
  }

  void run(const Context& context) const override {
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Part& part = parts_[i];
      const uint8_t* from = context.at<const uint8_t>(inputs[i]);
      for (const Stretch& s : part.stretches) {
        if (part.is_copied)
          std::memcpy(to + s.to, from + s.from, static_cast<size_t>(s.count));
        else
          part.map.apply(from + s.from, to + s.to, s.count);
      }
    }
    for (const Stretch& s : parts_.back().stretches)
      std::memset(to + s.to, constant_, static_cast<size_t>(s.count));
  }

 private:
  static void add(Part& part, int32_t from, int32_t to) {
    if (!part.stretches.empty()) {
      Stretch& last = part.stretches.back();
      if (last.from + last.count == from && last.to + last.count == to) {
        ++last.count;
        return;
      }
    }
    part.stretches.push_back({from, to, 1});
  }

  std::vector<Source> sources_;
  std::vector<Part> parts_;  // by input; the constant's last
  uint8_t constant_;
};

// Which inputs carry elements: all of a Concat, the first one of every other operator.
size_t data_inputs(const Node& node) { return node.op_type == "Concat" ? node.inputs.size() : 1; }

// Runs the node on numbers: element e of input i is offset[i] + e, a constant is -1.
std::optional<std::vector<Source>> trace(const LoadContext& context, const Node& node) {
  std::vector<Tensor> numbers;
  std::vector<int64_t> offsets;
  int64_t next = 0;
  numbers.reserve(node.inputs.size() + 1);
  for (size_t i = 0; i < data_inputs(node); ++i) {
    const Shape shape = context.shape(node.input(i));
    std::vector<int64_t> elements(static_cast<size_t>(element_count(shape)));
    offsets.push_back(next);
    for (int64_t& element : elements) element = next++;
    numbers.push_back(Tensor::of<int64_t>(shape, std::move(elements)));
  }
  std::vector<const Tensor*> arguments;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (i >= data_inputs(node)) {
      const bool is_pad_value = node.op_type == "Pad" && i == 2;
      numbers.push_back(is_pad_value ? Tensor::scalar<int64_t>(-1)
                                     : context.constant(node.input(i)));
      if (!node.inputs[i].empty() && !numbers.back().defined()) return std::nullopt;
    }
    arguments.push_back(node.inputs[i].empty() ? nullptr : &numbers[i]);
  }
  if (node.op_type == "Pad" && node.input(2).empty()) {
    // The value that is left out is 0, which would look like the first element.
    numbers.push_back(Tensor::scalar<int64_t>(-1));
    arguments.resize(std::max<size_t>(arguments.size(), 3));
    arguments[2] = &numbers.back();
  }
  std::vector<Source> sources;
  for (const int64_t number : evaluate_node(node, arguments).at(0).to_vector<int64_t>()) {
    if (number < 0) {
      sources.push_back({});
      continue;
    }
    const auto input = std::ranges::upper_bound(offsets, number) - offsets.begin() - 1;
    sources.push_back({static_cast<int>(input), number - offsets[static_cast<size_t>(input)]});
  }
  return sources;
}

// What a Pad fills with; nullopt where it is computed.
std::optional<float> pad_value(const LoadContext& context, const Node& node) {
  if (node.op_type != "Pad" || node.input(2).empty()) return 0.0f;
  const Tensor value = context.constant(node.input(2));
  if (!value.defined() || value.count() != 1) return std::nullopt;
  return value.to_vector<float>()[0];
}

std::unique_ptr<Layer> make(LoadContext& context, const Node& node, std::string& reason) {
  std::vector<CodedInput> inputs;
  for (size_t i = 0; i < data_inputs(node); ++i) {
    const auto input = context.coded(node.input(i));
    if (!input) return reason = "an input is not codes of at most 8 bits", nullptr;
    inputs.push_back(*input);
  }
  const auto output = context.quantized_output(node);
  if (!output) return reason = "its output is not quantized", nullptr;
  const auto padding = pad_value(context, node);
  if (!padding) return reason = "what it fills with is computed", nullptr;
  layout_of(context.shape(output->name));  // refuses what is too large before it is traced
  auto sources = trace(context, node);
  if (!sources) return reason = "where its elements go is computed from data", nullptr;
  std::vector<CodeMap> maps;
  std::vector<bool> are_copied;
  for (const CodedInput& input : inputs) {
    maps.push_back(CodeMap::rescale(input.type, output->type));
    are_copied.push_back(maps.back().is_identity(context.value(input.value).codes.qmax));
  }
  auto layer = std::make_unique<MoveLayer>(std::move(*sources), maps, are_copied,
                                           output->type.code(*padding));
  for (const CodedInput& input : inputs) layer->inputs.push_back(input.value);
  layer->outputs = {context.add_codes(*output)};
  return layer;
}

// Other modes make new values.
std::unique_ptr<Layer> make_resize(LoadContext& context, const Node& node, std::string& reason) {
  if (node.string_or("mode", "nearest") != "nearest")
    return reason = "only Resize by nearest moves codes", nullptr;
  if (node.string_or("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize")
    return reason = "outside its region it makes new values", nullptr;
  return make(context, node, reason);
}

HALFTONE_REGISTER(NativeOp, "Concat", make);
HALFTONE_REGISTER(NativeOp, "DepthToSpace", make);
HALFTONE_REGISTER(NativeOp, "Expand", make);
HALFTONE_REGISTER(NativeOp, "Flatten", make);
HALFTONE_REGISTER(NativeOp, "Pad", make);
HALFTONE_REGISTER(NativeOp, "Reshape", make);
HALFTONE_REGISTER(NativeOp, "Resize", make_resize);
HALFTONE_REGISTER(NativeOp, "Slice", make);
HALFTONE_REGISTER(NativeOp, "SpaceToDepth", make);
HALFTONE_REGISTER(NativeOp, "Squeeze", make);
HALFTONE_REGISTER(NativeOp, "Tile", make);
HALFTONE_REGISTER(NativeOp, "Transpose", make);
HALFTONE_REGISTER(NativeOp, "Unsqueeze", make);

}  // namespace
}  // namespace halftone::runtime
