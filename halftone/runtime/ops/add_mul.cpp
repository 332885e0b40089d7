// Add, Sub and Mul of two activations of one shape, or of one and a value a channel ([batch,
// channels, 1, 1], squeeze-and-excite).
#include "halftone/runtime/elementwise.h"
#include "halftone/runtime/native_op.h"
#include "halftone/runtime/pixel_rows.h"

namespace halftone::runtime {
namespace {

class ElementwiseLayer : public Layer {
 public:
  explicit ElementwiseLayer(const Elementwise& work) : work_(work) {
    kernel = work.is_scaled() ? "scaled sum" : "float by code";
    reason = work.is_scaled() ? "equals the definition for all pairs of codes"
                              : "the definition: two scales, one rounding";
  }
  void prepare(std::span<const Value> values) override {
    a_ = values[static_cast<size_t>(inputs[0])].layout;
    b_ = values[static_cast<size_t>(inputs[1])].layout;
    output_ = values[static_cast<size_t>(outputs[0])].layout;
  }
  void run(const Context& context) const override {
    const uint8_t* a = context.at<const uint8_t>(inputs[0]);
    const uint8_t* b = context.at<const uint8_t>(inputs[1]);
    uint8_t* out = context.at<uint8_t>(outputs[0]);
    if (b_.pixels() == a_.pixels()) {
      each_pixel_row(std::array{&a_, &b_, &output_}, context.pool,
                     [&](const auto& at, int64_t pixels) {
                       work_.run(a + at[0], b + at[1], out + at[2], pixels * a_.pitch);
                     });
      return;
    }
    for (int64_t n = 0; n < a_.batch; ++n)
      for (int64_t y = 0; y < a_.height; ++y)
        for (int64_t x = 0; x < a_.width; ++x)
          work_.run(a + a_.pixel(n, y, x), b + b_.pixel(n, 0, 0), out + output_.pixel(n, y, x),
                    a_.channels);
  }

 private:
  Elementwise work_;
  Layout a_, b_, output_;
};

bool is_value_a_channel(const Shape& shape, const Shape& other) {
  return shape.size() == 4 && other.size() == 4 && shape[0] == other[0] && shape[1] == other[1] &&
         shape[2] == 1 && shape[3] == 1;
}

std::unique_ptr<Layer> make(LoadContext& context, const Node& node, std::string& reason) {
  auto a = context.coded(node.input(0)), b = context.coded(node.input(1));
  if (!a || !b) return reason = "an input is not codes of at most 8 bits", nullptr;
  Shape left = context.shape(node.input(0)), right = context.shape(node.input(1));
  if (is_value_a_channel(left, right) && left != right && node.op_type != "Sub") {
    std::swap(a, b);
    std::swap(left, right);
  }
  if (left != right && !is_value_a_channel(right, left))
    return reason = text("no kernel for shapes ", to_string(left), " and ", to_string(right)),
           nullptr;
  const auto output = context.quantized_output(node);
  if (!output) return reason = "its output is not quantized", nullptr;
  const Operation operation = node.op_type == "Add"   ? Operation::kAdd
                              : node.op_type == "Sub" ? Operation::kSubtract
                                                      : Operation::kMultiply;
  auto layer = std::make_unique<ElementwiseLayer>(
      Elementwise(operation, a->type, b->type, output->type, context.value(a->value).codes.qmax,
                  context.value(b->value).codes.qmax));
  layer->inputs = {a->value, b->value};
  layer->outputs = {context.add_codes(*output)};
  return layer;
}

HALFTONE_REGISTER(NativeOp, "Add", make);
HALFTONE_REGISTER(NativeOp, "Mul", make);
HALFTONE_REGISTER(NativeOp, "Sub", make);

}  // namespace
}  // namespace halftone::runtime
