// MaxPool, AveragePool and GlobalAveragePool over two axes.
#include <algorithm>
#include <array>

#include "halftone/graph/ops/window.h"
#include "halftone/runtime/code_map.h"
#include "halftone/runtime/native_op.h"
#include "halftone/runtime/split.h"

namespace halftone::runtime {
namespace {

class PoolLayer : public Layer {
 public:
  PoolLayer(const WindowAxis& y, const WindowAxis& x) : y_(y), x_(x) {}
  void prepare(std::span<const Value> values) override {
    input_ = values[static_cast<size_t>(inputs[0])].layout;
    output_ = values[static_cast<size_t>(outputs[0])].layout;
  }

 protected:
  // Calls visit(image, y, x) for every output pixel; rows are split among the pool's threads.
  template <typename Visit>
  void each_output(ThreadPool& pool, const Visit& visit) const {
    const int64_t rows = output_.batch * output_.height;
    const int64_t taps = std::min(y_.kernel, y_.input) * std::min(x_.kernel, x_.input);
    split(pool, rows, rows * output_.width * output_.pitch * taps, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        for (int64_t ox = 0; ox < output_.width; ++ox)
          visit(row / output_.height, row % output_.height, ox);
    });
  }
  // Calls visit(byte of the input's pixel) for every pixel of the window.
  template <typename Visit>
  void each_tap(int64_t n, int64_t oy, int64_t ox, const Visit& visit) const {
    const Span rows = taps_inside(y_, oy), columns = taps_inside(x_, ox);
    for (int64_t ky = rows.begin; ky < rows.end; ++ky)
      for (int64_t kx = columns.begin; kx < columns.end; ++kx)
        visit(input_.pixel(n, y_.position(oy, ky), x_.position(ox, kx)));
  }

  WindowAxis y_, x_;
  Layout input_, output_;
};

// The largest code is that of the largest value.
class MaxPoolLayer : public PoolLayer {
 public:
  MaxPoolLayer(const WindowAxis& y, const WindowAxis& x, const CodeMap& map, bool is_copied)
      : PoolLayer(y, x), map_(map), is_copied_(is_copied) {
    kernel = "max of codes";
    reason = "codes are ordered as their values";
  }
  void run(const Context& context) const override {
    const uint8_t* from = context.at<const uint8_t>(inputs[0]);
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    each_output(context.pool, [&](int64_t n, int64_t oy, int64_t ox) {
      uint8_t* out = to + output_.pixel(n, oy, ox);
      std::fill_n(out, output_.channels, uint8_t{0});
      each_tap(n, oy, ox, [&](int64_t pixel) {
        for (int64_t c = 0; c < output_.channels; ++c) out[c] = std::max(out[c], from[pixel + c]);
      });
      if (!is_copied_) map_.apply(out, out, output_.channels);
    });
  }

 private:
  CodeMap map_;
  bool is_copied_;
};

// The exact sum of codes, times (input scale / taps) / output scale, rounded once.
class AveragePoolLayer : public PoolLayer {
 public:
  AveragePoolLayer(const WindowAxis& y, const WindowAxis& x, const CodeType& input,
                   const CodeType& output, bool counts_padding)
      : PoolLayer(y, x), input_type_(input), output_type_(output), counts_padding_(counts_padding) {
    kernel = "sum of codes";
    reason = "sums of codes are exact";
  }
  void run(const Context& context) const override {
    const uint8_t* from = context.at<const uint8_t>(inputs[0]);
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    each_output(context.pool, [&](int64_t n, int64_t oy, int64_t ox) {
      const int64_t taps = taps_inside(y_, oy).size() * taps_inside(x_, ox).size();
      const int64_t counted =
          counts_padding_ ? taps_padded(y_, oy).size() * taps_padded(x_, ox).size() : taps;
      const float m = (input_type_.scale / static_cast<float>(counted)) / output_type_.scale;
      const auto zeros = static_cast<int32_t>(taps * input_type_.zero_point);
      uint8_t* out = to + output_.pixel(n, oy, ox);
      std::array<int32_t, 256> sums;
      for (int64_t first = 0; first < output_.channels; first += std::ssize(sums)) {
        const int64_t count = std::min<int64_t>(std::ssize(sums), output_.channels - first);
        std::fill_n(sums.data(), count, 0);
        each_tap(n, oy, ox, [&](int64_t pixel) {
          for (int64_t c = 0; c < count; ++c) sums.data()[c] += from[pixel + first + c];
        });
        for (int64_t c = 0; c < count; ++c)
          out[first + c] = requantize(sums.data()[c] - zeros, m, output_type_);
      }
    });
  }

 private:
  CodeType input_type_, output_type_;
  bool counts_padding_;
};

struct PoolEnds {
  CodedInput input;
  QuantizedOutput output;
  WindowAxis y, x;
};

std::optional<PoolEnds> ends_of(LoadContext& context, const Node& node, std::string& reason) {
  const auto input = context.coded(node.input(0));
  const Shape shape = context.shape(node.input(0));
  if (!input) return reason = "its input is not codes of at most 8 bits", std::nullopt;
  if (shape.size() != 4) return reason = "only pools over two axes have a kernel", std::nullopt;
  if (node.outputs.size() > 1 && !node.outputs[1].empty())
    return reason = "it also gives indices", std::nullopt;
  const auto output = context.quantized_output(node);
  if (!output) return reason = "its output is not quantized", std::nullopt;
  const bool is_global = node.op_type == "GlobalAveragePool";
  const WindowAttributes attributes =
      is_global ? WindowAttributes{.kernel = {shape[2], shape[3]},
                                   .strides = {1, 1},
                                   .dilations = {1, 1},
                                   .pads = {0, 0, 0, 0}}
                : window_attributes(node, node.ints_or("kernel_shape", {}));
  if (attributes.kernel.size() != 2)
    return reason = "only pools over two axes have a kernel", std::nullopt;
  return PoolEnds{*input, *output, attributes.resolved(0, shape[2]),
                  attributes.resolved(1, shape[3])};
}

std::unique_ptr<Layer> joined(LoadContext& context, const PoolEnds& ends,
                              std::unique_ptr<Layer> layer) {
  layer->inputs = {ends.input.value};
  layer->outputs = {context.add_codes(ends.output)};
  return layer;
}

std::unique_ptr<Layer> make_max(LoadContext& context, const Node& node, std::string& reason) {
  const auto ends = ends_of(context, node, reason);
  if (!ends) return nullptr;
  const CodeMap map = CodeMap::rescale(ends->input.type, ends->output.type);
  const bool is_copied = map.is_identity(context.value(ends->input.value).codes.qmax);
  return joined(context, *ends, std::make_unique<MaxPoolLayer>(ends->y, ends->x, map, is_copied));
}

std::unique_ptr<Layer> make_average(LoadContext& context, const Node& node, std::string& reason) {
  const auto ends = ends_of(context, node, reason);
  if (!ends) return nullptr;
  if (ends->y.kernel * ends->x.kernel > (1 << 22))
    return reason = "a sum of so many codes may pass 32 bits", nullptr;
  const bool counts_padding = node.int_or("count_include_pad", 0) != 0;
  return joined(context, *ends,
                std::make_unique<AveragePoolLayer>(ends->y, ends->x, ends->input.type,
                                                   ends->output.type, counts_padding));
}

HALFTONE_REGISTER(NativeOp, "MaxPool", make_max);
HALFTONE_REGISTER(NativeOp, "AveragePool", make_average);
HALFTONE_REGISTER(NativeOp, "GlobalAveragePool", make_average);

}  // namespace
}  // namespace halftone::runtime
