// Functions of one value: 256 results, made by the operator's reference kernel between the codes'
// scales.
#include <cmath>

#include "halftone/graph/interpreter.h"
#include "halftone/runtime/code_map.h"
#include "halftone/runtime/native_op.h"
#include "halftone/runtime/pixel_rows.h"

namespace halftone::runtime {
namespace {

class TableLayer : public Layer {
 public:
  explicit TableLayer(const CodeMap& map) : map_(map) {
    kernel = "table";
    reason = "a function of one code";
  }
  void prepare(std::span<const Value> values) override {
    input_ = values[static_cast<size_t>(inputs[0])].layout;
    output_ = values[static_cast<size_t>(outputs[0])].layout;
  }
  void run(const Context& context) const override {
    const uint8_t* from = context.at<const uint8_t>(inputs[0]);
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    each_pixel_row(std::array{&input_, &output_}, context.pool,
                   [&](const auto& at, int64_t pixels) {
                     map_.apply(from + at[0], to + at[1], pixels * input_.pitch);
                   });
  }

 private:
  CodeMap map_;
  Layout input_, output_;
};

std::unique_ptr<Layer> make(LoadContext& context, const Node& node, std::string& reason) {
  const auto input = context.coded(node.input(0));
  if (!input) return reason = "its input is not codes of at most 8 bits", nullptr;
  const auto output = context.quantized_output(node);
  if (!output) return reason = "its output is not quantized", nullptr;

  std::vector<float> values(256);
  for (int32_t q = 0; q < 256; ++q) values[static_cast<size_t>(q)] = input->type.value(q);
  std::vector<Tensor> tensors{Tensor::of<float>({1, 1, 256}, values)};
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    tensors.push_back(context.constant(node.input(i)));
    if (!node.inputs[i].empty() && (!tensors.back().defined() || tensors.back().count() != 1))
      return reason = "it is not a function of one value", nullptr;
  }
  std::vector<const Tensor*> arguments;
  for (size_t i = 0; i < tensors.size(); ++i)
    arguments.push_back(node.inputs[i].empty() ? nullptr : &tensors[i]);
  const std::vector<float> results = evaluate_node(node, arguments).at(0).to_vector<float>();
  std::array<uint8_t, 256> table{};
  for (size_t q = 0; q < 256; ++q)
    // As at every border of codes NaN, the root of a negative number, is the lowest.
    if (!std::isnan(results[q])) table[q] = output->type.code(results[q]);

  auto layer = std::make_unique<TableLayer>(CodeMap::of(table));
  layer->inputs = {input->value};
  layer->outputs = {context.add_codes(*output)};
  return layer;
}

HALFTONE_REGISTER(NativeOp, "Abs", make);
HALFTONE_REGISTER(NativeOp, "Clip", make);
HALFTONE_REGISTER(NativeOp, "Elu", make);
HALFTONE_REGISTER(NativeOp, "Erf", make);
HALFTONE_REGISTER(NativeOp, "Exp", make);
HALFTONE_REGISTER(NativeOp, "Gelu", make);
HALFTONE_REGISTER(NativeOp, "HardSigmoid", make);
HALFTONE_REGISTER(NativeOp, "HardSwish", make);
HALFTONE_REGISTER(NativeOp, "LeakyRelu", make);
HALFTONE_REGISTER(NativeOp, "Mish", make);
HALFTONE_REGISTER(NativeOp, "Neg", make);
HALFTONE_REGISTER(NativeOp, "Relu", make);
HALFTONE_REGISTER(NativeOp, "Selu", make);
HALFTONE_REGISTER(NativeOp, "Sigmoid", make);
HALFTONE_REGISTER(NativeOp, "Softplus", make);
HALFTONE_REGISTER(NativeOp, "Sqrt", make);
HALFTONE_REGISTER(NativeOp, "Swish", make);
HALFTONE_REGISTER(NativeOp, "Tanh", make);

}  // namespace
}  // namespace halftone::runtime
