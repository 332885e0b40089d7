// A convolution by its numbers, and the methods that compute it. A Gemm is one over a row of
// pixels.
//
//   const Convolution problem = ...;
//   const Choice choice = choose_method(problem);  // the fastest that is exact for these weights
//   choice.kernel->run(task);
//
// A method is one file in kernels/ and one registration; every method equals
// convolve_by_reference() bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/base/thread_pool.h"
#include "halftone/runtime/codes.h"
#include "halftone/runtime/layout.h"

namespace halftone::runtime {

struct Window {
  int64_t height = 1, width = 1;  // taps
  int64_t stride_y = 1, stride_x = 1;
  int64_t dilation_y = 1, dilation_x = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t taps() const { return height * width; }
  bool is_pointwise() const { return taps() == 1 && stride_y == 1 && stride_x == 1; }
};

struct Convolution {
  Window window;
  int64_t groups = 1;
  int64_t inputs = 0;   // channels, all groups
  int64_t outputs = 0;  // channels, all groups
  // [outputs][taps][inputs / groups], zero point taken off.
  std::vector<int16_t> weights = {};
  // With the input's zero point folded in: bias[c] - zero_point * sum of weights[c]. Exact at the
  // border too, whose codes are the zero point.
  std::vector<int32_t> bias = {};
  std::vector<float> multiplier = {};  // by output channel
  CodeType output = {};                // of codes
  bool gives_float = false;            // writes float(accumulator) * multiplier instead
  int32_t most_input = 255;            // largest code that an input pixel holds

  int64_t group_inputs() const { return inputs / groups; }
  int64_t group_outputs() const { return outputs / groups; }
  bool has_byte_weights() const;  // all within int8_t
  bool is_depthwise() const { return groups > 1 && group_inputs() == 1 && group_outputs() == 1; }
  const int16_t* tap(int64_t output_channel, int64_t tap) const {
    return weights.data() + (output_channel * window.taps() + tap) * group_inputs();
  }
};

// One inference of a convolution. Layouts: input widened to the window's pads; the output's may
// have a border, which is not written.
struct ConvolutionTask {
  const uint8_t* input;
  const Layout& input_layout;
  void* output;  // uint8_t; float where gives_float, at `output_layout` with elements for bytes
  const Layout& output_layout;
  std::byte* scratch;
  ThreadPool& pool;
};

// A convolution with its weights packed for one method.
class ConvolutionKernel {
 public:
  virtual ~ConvolutionKernel() = default;
  // Called once, when the layouts are final.
  virtual void prepare(const Layout& /*input*/, const Layout& /*output*/) {}
  virtual size_t scratch_bytes() const { return 0; }
  virtual size_t weight_bytes() const = 0;
  virtual void run(const ConvolutionTask& task) const = 0;
};

struct ConvolutionMethod {
  static constexpr const char* kKind = "convolution kernel";
  std::string name;
  std::string summary;
  int speed;  // the fastest usable one that is exact is taken
  // nullptr where the sums could leave the kernel's range for some input: `reason` says what would.
  // Else it says why it is exact.
  // Its kernels run on every CPU.
  std::unique_ptr<ConvolutionKernel> (*make)(const Convolution& problem, std::string& reason);
  // Whether this CPU has the instruction that `speed` stands for; left out where all have.
  bool (*has_instruction)() = nullptr;
};

struct Choice {
  std::string name;
  std::string reason;  // why this one, and why not the next faster one
  std::unique_ptr<ConvolutionKernel> kernel;
};

using ConvolutionMethods = std::vector<const ConvolutionMethod*>;  // fastest first

// All methods, or those whose instruction this CPU has.
ConvolutionMethods all_methods();
ConvolutionMethods usable_methods();

// Throws Error where an accumulator of 32 bits could overflow.
Choice choose_method(const Convolution& problem,
                     const ConvolutionMethods& methods = usable_methods());

// Largest |sum| that an accumulator can reach, bias included.
int64_t accumulator_bound(const Convolution& problem);

// Plain loops over int64 sums: what every kernel must equal.
void convolve_by_reference(const Convolution& problem, const ConvolutionTask& task);

}  // namespace halftone::runtime
