#include "halftone/runtime/ops/boundary.h"

#include <algorithm>
#include <array>

#include "halftone/runtime/split.h"

namespace halftone::runtime {
namespace {

// Calls visit(plain element, byte of the code, count, bytes between codes) for every line of
// elements that are consecutive in the plain tensor. Rows of pixels are split among threads.
template <typename Visit>
void each_line(const Shape& shape, const Layout& layout, ThreadPool& pool, const Visit& visit) {
  const int64_t width = layout.width, channels = layout.channels;
  if (shape.size() != 4)
    return split(pool, width, width * channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        visit(row * channels, layout.pixel(0, 0, row), channels, int64_t{1});
    });
  const int64_t rows = layout.batch * layout.height;
  split(pool, rows, rows * width * channels, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / layout.height, y = row % layout.height;
      const int64_t pixel = layout.pixel(image, y, 0);
      for (int64_t c = 0; c < channels; ++c)
        visit(((image * channels + c) * layout.height + y) * width, pixel + c, width, layout.pitch);
    }
  });
}

class BoundaryLayer : public Layer {
 public:
  BoundaryLayer(const char* what, int input, int output, const Value& codes, int codes_id)
      : codes_(codes), codes_id_(codes_id) {
    op = kernel = what;
    inputs = {input};
    outputs = {output};
  }
  void prepare(std::span<const Value> values) override {
    codes_.layout = values[static_cast<size_t>(codes_id_)].layout;
  }

 protected:
  const Shape& shape() const { return codes_.shape; }
  const Layout& layout() const { return codes_.layout; }
  const CodeType& type() const { return codes_.codes; }

  Value codes_;

 private:
  int codes_id_;
};

class QuantizeLayer : public BoundaryLayer {
 public:
  QuantizeLayer(int input, int output, const Value& codes)
      : BoundaryLayer("QuantizeLinear", input, output, codes, output) {}
  void run(const Context& context) const override {
    const float* from = context.at<const float>(inputs[0]);
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    each_line(shape(), layout(), context.pool,
              [&](int64_t element, int64_t at, int64_t count, int64_t step) {
                std::array<uint8_t, 256> codes;
                for (int64_t first = 0; first < count; first += std::ssize(codes)) {
                  const int64_t some = std::min<int64_t>(std::ssize(codes), count - first);
                  quantize_values(std::span(from + element + first, static_cast<size_t>(some)),
                                  type().scale, type().zero_point, type().range(), codes.data());
                  for (int64_t i = 0; i < some; ++i) to[at + (first + i) * step] = codes.data()[i];
                }
              });
  }
};

class DequantizeLayer : public BoundaryLayer {
 public:
  DequantizeLayer(const CodedInput& input, int output, const Value& codes)
      : BoundaryLayer("DequantizeLinear", input.value, output, codes, input.value) {
    codes_.codes = input.type;
  }
  void run(const Context& context) const override {
    const uint8_t* from = context.at<const uint8_t>(inputs[0]);
    float* to = context.at<float>(outputs[0]);
    each_line(shape(), layout(), context.pool,
              [&](int64_t element, int64_t at, int64_t count, int64_t step) {
                for (int64_t i = 0; i < count; ++i)
                  to[element + i] = type().value(from[at + i * step]);
              });
  }
};

// The code in the file is the byte plus the shift, in either sign's representation.
class ImportLayer : public BoundaryLayer {
 public:
  ImportLayer(int input, int output, const Value& codes)
      : BoundaryLayer("import", input, output, codes, output) {}
  void run(const Context& context) const override {
    const uint8_t* from = context.at<const uint8_t>(inputs[0]);
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    each_line(shape(), layout(), context.pool,
              [&](int64_t element, int64_t at, int64_t count, int64_t step) {
                for (int64_t i = 0; i < count; ++i)
                  to[at + i * step] = static_cast<uint8_t>(from[element + i] - type().shift);
              });
  }
};

class ExportLayer : public BoundaryLayer {
 public:
  ExportLayer(int input, int output, const Value& codes)
      : BoundaryLayer("export", input, output, codes, input) {}
  void run(const Context& context) const override {
    const uint8_t* from = context.at<const uint8_t>(inputs[0]);
    uint8_t* to = context.at<uint8_t>(outputs[0]);
    each_line(shape(), layout(), context.pool,
              [&](int64_t element, int64_t at, int64_t count, int64_t step) {
                for (int64_t i = 0; i < count; ++i)
                  to[element + i] = static_cast<uint8_t>(from[at + i * step] + type().shift);
              });
  }
};

}  // namespace

std::unique_ptr<Layer> make_quantize_layer(int input, int output, const Value& codes) {
  return std::make_unique<QuantizeLayer>(input, output, codes);
}
std::unique_ptr<Layer> make_dequantize_layer(const CodedInput& input, int output,
                                             const Value& codes) {
  return std::make_unique<DequantizeLayer>(input, output, codes);
}
std::unique_ptr<Layer> make_import_layer(int input, int output, const Value& codes) {
  return std::make_unique<ImportLayer>(input, output, codes);
}
std::unique_ptr<Layer> make_export_layer(int input, int output, const Value& codes) {
  return std::make_unique<ExportLayer>(input, output, codes);
}

}  // namespace halftone::runtime
