#include "halftone/runtime/convolution.h"

#include <algorithm>
#include <limits>

#include "halftone/base/error.h"

namespace halftone::runtime {
namespace {

int64_t sum_at(const Convolution& p, const ConvolutionTask& task, int64_t image, int64_t y,
               int64_t x, int64_t channel) {
  const Window& w = p.window;
  const int64_t first_input = channel / p.group_outputs() * p.group_inputs();
  int64_t sum = p.bias[static_cast<size_t>(channel)];
  for (int64_t ky = 0; ky < w.height; ++ky)
    for (int64_t kx = 0; kx < w.width; ++kx) {
      const int64_t row = y * w.stride_y - w.pad_top + ky * w.dilation_y;
      const int64_t column = x * w.stride_x - w.pad_left + kx * w.dilation_x;
      const uint8_t* pixel = task.input + task.input_layout.pixel(image, row, column) + first_input;
      const int16_t* weights = p.tap(channel, ky * w.width + kx);
      for (int64_t c = 0; c < p.group_inputs(); ++c) sum += int64_t{pixel[c]} * weights[c];
    }
  return sum;
}

class Reference : public ConvolutionKernel {
 public:
  explicit Reference(const Convolution& problem) : problem_(problem) {}
  size_t weight_bytes() const override { return problem_.weights.size() * sizeof(int16_t); }
  void run(const ConvolutionTask& task) const override { convolve_by_reference(problem_, task); }

 private:
  Convolution problem_;
};

std::unique_ptr<ConvolutionKernel> make(const Convolution& problem, std::string& reason) {
  reason = "plain loops";
  return std::make_unique<Reference>(problem);
}

HALFTONE_REGISTER(ConvolutionMethod, "reference", "Plain loops over 64-bit sums", 0, make);

}  // namespace

bool Convolution::has_byte_weights() const {
  return std::ranges::all_of(weights, [](int16_t w) { return w >= -128 && w <= 127; });
}

int64_t accumulator_bound(const Convolution& problem) {
  const size_t per_channel = problem.weights.size() / static_cast<size_t>(problem.outputs);
  int64_t most = 0;
  for (size_t o = 0; o < problem.bias.size(); ++o) {
    // The highest and the lowest sum: every input at its largest where the weight has that sign.
    int64_t high = problem.bias[o], low = problem.bias[o];
    for (size_t i = 0; i < per_channel; ++i) {
      const int64_t product = int64_t{problem.most_input} * problem.weights[o * per_channel + i];
      (product > 0 ? high : low) += product;
    }
    most = std::max({most, high, -low});
  }
  return most;
}

void convolve_by_reference(const Convolution& p, const ConvolutionTask& task) {
  const Layout& out = task.output_layout;
  for (int64_t n = 0; n < out.batch; ++n)
    for (int64_t y = 0; y < out.height; ++y)
      for (int64_t x = 0; x < out.width; ++x)
        for (int64_t c = 0; c < p.outputs; ++c) {
          const auto sum = static_cast<int32_t>(sum_at(p, task, n, y, x, c));
          const float m = p.multiplier[static_cast<size_t>(c)];
          const int64_t at = out.pixel(n, y, x) + c;
          if (p.gives_float)
            static_cast<float*>(task.output)[at] = static_cast<float>(sum) * m;
          else
            static_cast<uint8_t*>(task.output)[at] = requantize(sum, m, p.output);
        }
}

ConvolutionMethods all_methods() {
  ConvolutionMethods methods;
  for (const auto& [name, method] : Registry<ConvolutionMethod>::all()) methods.push_back(&method);
  std::ranges::sort(methods, std::greater{}, &ConvolutionMethod::speed);
  return methods;
}

ConvolutionMethods usable_methods() {
  ConvolutionMethods methods = all_methods();
  std::erase_if(methods, [](const ConvolutionMethod* method) {
    return method->has_instruction && !method->has_instruction();
  });
  return methods;
}

Choice choose_method(const Convolution& problem, const ConvolutionMethods& methods) {
  const int64_t bound = accumulator_bound(problem);
  if (bound > std::numeric_limits<int32_t>::max())
    throw Error("a sum may reach ", bound, ", which 32 bits do not hold");
  Choice choice;
  std::string refused;
  for (const ConvolutionMethod* method : methods) {
    std::string reason;
    choice.kernel = method->make(problem, reason);
    choice.name = method->name;
    choice.reason = reason + (refused.empty() ? "" : "; " + refused);
    if (choice.kernel) break;
    if (!reason.empty()) refused = "not " + method->name + ": " + reason;
  }
  return choice;
}

}  // namespace halftone::runtime
