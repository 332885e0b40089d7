#include "halftone/runtime/ops/float_layer.h"

#include <cstring>

#include "halftone/graph/interpreter.h"

namespace halftone::runtime {
namespace {

class FloatLayer : public Layer {
 public:
  explicit FloatLayer(const Node& node) : node_(node) {
    kernel = "float";
    is_float = true;
  }

  void prepare(std::span<const Value> values) override {
    for (int id : inputs) inputs_.push_back(id < 0 ? Value{} : values[static_cast<size_t>(id)]);
    for (int id : outputs) outputs_.push_back(id < 0 ? Value{} : values[static_cast<size_t>(id)]);
  }

  void run(const Context& context) const override {
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < inputs.size(); ++i)
      tensors.push_back(inputs[i] < 0 ? Tensor() : view(context, inputs[i], inputs_[i]));
    std::vector<const Tensor*> arguments;
    for (size_t i = 0; i < inputs.size(); ++i)
      arguments.push_back(inputs[i] < 0 ? nullptr : &tensors[i]);
    const Tensors results = evaluate_node(node_, arguments);
    for (size_t i = 0; i < outputs.size() && i < results.size(); ++i) {
      if (outputs[i] < 0) continue;
      if (results[i].dtype() != outputs_[i].dtype || results[i].shape() != outputs_[i].shape)
        throw Error("running ", node_.label(), ": its output came as ",
                    to_string(results[i].shape()), " instead of ", to_string(outputs_[i].shape));
      std::memcpy(context.data[outputs[i]], results[i].bytes().data(), results[i].bytes().size());
    }
  }

 private:
  static Tensor view(const Context& context, int id, const Value& value) {
    const auto bytes = static_cast<size_t>(
        bytes_of(value.dtype, static_cast<uint64_t>(element_count(value.shape))));
    return Tensor(value.dtype, value.shape, {context.data[id], bytes}, nullptr);
  }

  Node node_;
  std::vector<Value> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Layer> make_float_layer(const Node& node, std::vector<int> inputs,
                                        std::vector<int> outputs, const std::string& why) {
  auto layer = std::make_unique<FloatLayer>(node);
  layer->inputs = std::move(inputs);
  layer->outputs = std::move(outputs);
  layer->reason = why;
  return layer;
}

}  // namespace halftone::runtime
