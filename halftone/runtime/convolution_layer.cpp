#include "halftone/runtime/convolution_layer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace halftone::runtime {
namespace {

// Row-major floats, channels innermost where the kernel writes them.
Layout float_layout(const Shape& shape) {
  Layout layout = layout_of(shape);
  layout.pitch = layout.channels;
  return layout;
}

class ConvolutionLayer : public Layer {
 public:
  ConvolutionLayer(bool gives_float, Choice choice)
      : gives_float_(gives_float), kernel_(std::move(choice.kernel)) {
    kernel = choice.name;
    reason = choice.reason;
  }

  void prepare(std::span<const Value> values) override {
    input_ = values[static_cast<size_t>(inputs[0])].layout;
    const Value& output = values[static_cast<size_t>(outputs[0])];
    output_ = output.is_codes ? output.layout : float_layout(output.shape);
    is_transposed_ = gives_float_ && output.shape.size() == 4 && output_.pixels() > 1;
    kernel_->prepare(input_, output_);
  }

  size_t scratch_bytes() const override {
    return aligned(kernel_->scratch_bytes()) + (is_transposed_ ? output_floats() : 0);
  }
  size_t weight_bytes() const override { return kernel_->weight_bytes(); }

  void run(const Context& context) const override {
    std::byte* out = context.data[outputs[0]];
    std::byte* written = is_transposed_ ? context.scratch + aligned(kernel_->scratch_bytes()) : out;
    kernel_->run(
        {context.at<uint8_t>(inputs[0]), input_, written, output_, context.scratch, context.pool});
    if (is_transposed_)
      transpose(reinterpret_cast<const float*>(written), reinterpret_cast<float*>(out));
  }

 private:
  size_t output_floats() const {
    return static_cast<size_t>(output_.batch * output_.image_bytes()) * sizeof(float) +
           kReadableTail;
  }
  void transpose(const float* from, float* to) const {
    for (int64_t n = 0; n < output_.batch; ++n)
      for (int64_t c = 0; c < output_.channels; ++c)
        for (int64_t pixel = 0; pixel < output_.pixels(); ++pixel)
          *to++ = from[(n * output_.pixels() + pixel) * output_.channels + c];
  }

  bool gives_float_;
  std::unique_ptr<ConvolutionKernel> kernel_;
  Layout input_, output_;
  bool is_transposed_ =
      false;  // floats of several pixels go from channels innermost to channels outermost
};

// Codes less their zero points.
bool set_weights(const WeightedNode& weighted, Convolution& problem, std::string& reason) {
  if (bits_of(weighted.weight.codes.dtype()) > 16)
    return reason = "its weight has more than 8 bits", false;
  const size_t per_output = weighted.codes.size() / static_cast<size_t>(weighted.outputs);
  problem.weights.resize(weighted.codes.size());
  for (size_t i = 0; i < weighted.codes.size(); ++i) {
    const size_t channel = weighted.weight.zero_points.size() == 1 ? 0 : i / per_output;
    const int32_t centred = weighted.codes[i] - weighted.weight.zero_points[channel];
    if (std::abs(centred) > 255) return reason = "its weight has more than 8 bits", false;
    problem.weights[i] = static_cast<int16_t>(centred);
  }
  return true;
}

void require_fit(const WeightedNode& weighted, int64_t channels) {
  const bool are_groups = weighted.groups > 0 && weighted.inputs % weighted.groups == 0 &&
                          weighted.outputs % weighted.groups == 0;
  if (!are_groups || channels != weighted.inputs || weighted.outputs == 0 ||
      static_cast<int64_t>(weighted.codes.size()) !=
          weighted.outputs * weighted.window.taps() * (weighted.inputs / weighted.groups))
    throw Error("a weight of ", weighted.codes.size(), " codes does not fit ", channels,
                " inputs, ", weighted.outputs, " outputs and ", weighted.groups, " groups");
}

float weight_scale(const WeightedNode& weighted, int64_t output) {
  return weighted.weight
      .scales[weighted.weight.scales.size() == 1 ? 0 : static_cast<size_t>(output)];
}

// Codes of the bias at scale input * weight: as they are in the file where it has this scale, else
// rounded to it.
bool set_bias(const LoadContext& context, const WeightedNode& weighted, float input_scale,
              Convolution& problem, std::string& reason) {
  problem.bias.assign(static_cast<size_t>(weighted.outputs), 0);
  if (weighted.bias.empty()) return true;
  const Tensor values = context.constant(weighted.bias);
  if (!values.defined() || values.dtype() != DType::kFloat)
    return reason = "its bias is computed", false;
  const bool fits = values.count() == 1 || (values.count() == weighted.outputs &&
                                            values.shape().back() == weighted.outputs);
  if (!fits) return reason = "its bias has another shape than its outputs", false;
  const auto quantized = context.quantized_constant(weighted.bias);
  for (int64_t o = 0; o < weighted.outputs; ++o) {
    const auto at = static_cast<size_t>(values.count() == 1 ? 0 : o);
    const float scale = input_scale * weight_scale(weighted, o);
    const auto of_scale = [&](const auto& list) { return list[list.size() == 1 ? 0 : at]; };
    const bool is_exact = quantized && quantized->codes.dtype() == DType::kInt32 &&
                          of_scale(quantized->scales) == scale &&
                          of_scale(quantized->zero_points) == 0;
    int32_t& code = problem.bias[static_cast<size_t>(o)];
    if (is_exact) {
      code = quantized->codes.elements<int32_t>()[at];
      continue;
    }
    const float steps = values.elements<float>()[at] / scale;
    if (!(std::fabs(steps) <= 0x1p30f))  // nor NaN: a scale of 0
      return reason = "its bias does not fit 32 bits", false;
    code = static_cast<int32_t>(std::nearbyint(steps));
  }
  return true;
}

// bias[c] - zero_point * sum of weights[c].
bool fold_zero_point(int32_t zero_point, Convolution& problem, std::string& reason) {
  const size_t per_output = problem.weights.size() / problem.bias.size();
  for (size_t o = 0; o < problem.bias.size(); ++o) {
    int64_t sum = problem.bias[o];
    for (size_t i = 0; i < per_output; ++i)
      sum -= int64_t{zero_point} * problem.weights[o * per_output + i];
    if (std::abs(sum) > std::numeric_limits<int32_t>::max())
      return reason = "its bias does not fit 32 bits", false;
    problem.bias[o] = static_cast<int32_t>(sum);
  }
  return true;
}

bool is_padded(const Window& window) {
  return window.pad_top + window.pad_left + window.pad_bottom + window.pad_right > 0;
}

// The node in numbers; nullopt with the reason where they do not fit the kernels.
std::optional<Convolution> problem_of(const LoadContext& context, const WeightedNode& weighted,
                                      const CodedInput& input,
                                      const std::optional<QuantizedOutput>& output,
                                      std::string& reason) {
  Convolution problem{.window = weighted.window,
                      .groups = weighted.groups,
                      .inputs = weighted.inputs,
                      .outputs = weighted.outputs};
  const int32_t border = is_padded(weighted.window) ? input.type.zero_point : 0;
  problem.most_input = std::max(context.value(input.value).codes.qmax, border);
  problem.gives_float = !output;
  if (output) problem.output = output->type;
  if (!set_weights(weighted, problem, reason) ||
      !set_bias(context, weighted, input.type.scale, problem, reason) ||
      !fold_zero_point(input.type.zero_point, problem, reason))
    return std::nullopt;
  for (int64_t o = 0; o < weighted.outputs; ++o) {
    const float scale = weight_scale(weighted, o);
    problem.multiplier.push_back(output ? multiplier(input.type.scale, scale, output->type.scale)
                                        : input.type.scale * scale);
  }
  const int64_t bound = accumulator_bound(problem);
  if (bound > std::numeric_limits<int32_t>::max())
    return reason = text("a sum may reach ", bound, ", which 32 bits do not hold"), std::nullopt;
  return problem;
}

}  // namespace

std::unique_ptr<Layer> make_convolution_layer(LoadContext& context, const Node& node,
                                              const WeightedNode& weighted, std::string& reason) {
  const auto input = context.coded(node.input(0));
  if (!input) return reason = "its input is not codes of at most 8 bits", nullptr;
  require_fit(weighted, context.value(input->value).layout.channels);
  const Window& window = weighted.window;
  if (is_padded(window) && !context.can_widen(*input))
    return reason = "its input's zero is no code that padding could hold", nullptr;
  const auto output = context.quantized_output(node);
  const auto problem = problem_of(context, weighted, *input, output, reason);
  if (!problem) return nullptr;

  const ConvolutionMethods methods =
      context.options().use_reference
          ? ConvolutionMethods{&Registry<ConvolutionMethod>::get("reference")}
          : usable_methods();
  auto layer =
      std::make_unique<ConvolutionLayer>(problem->gives_float, choose_method(*problem, methods));
  context.widen(*input, window.pad_top, window.pad_left, window.pad_bottom, window.pad_right);
  layer->inputs = {input->value};
  layer->outputs = {output ? context.add_codes(*output) : context.add_plain(node.outputs.at(0))};
  const Layout made = layout_of(context.value(layer->outputs[0]).shape);
  layer->macs = static_cast<uint64_t>(made.batch * made.pixels() * weighted.outputs *
                                      window.taps() * problem->group_inputs());
  return layer;
}

}  // namespace halftone::runtime
