// A Quantizer stands at a site of a network that is trained: it fake-quantizes what passes, with a
// gradient of its own, and says at the end which scales and codes are to be written.
//
//   auto quantizer = Registry<QuantizerKind>::get("lsq").weight({.params = start}, w);
//   at::Tensor y = quantizer->forward(w);
//   QuantTensor codes = quantizer->freeze(w);
//
// A quantizer is one file in nn/quantizers/ and one registration; docs/extending.md shows one.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "halftone/base/registry.h"
#include "halftone/quant/quant_tensor.h"

namespace halftone {

// Where a quantizer begins.
struct QuantizerStart {
  QuantParams params;  // codes, axis, and scales and zero points found by calibration
  // Of a Clip before an activation: the last code may not pass it.
  std::optional<float> upper_limit = {};
  bool counts_batch = false;  // LSQ's gradient factor of activations counts elements of all samples
  bool clips_gradient = true;    // false: weights get their gradient outside the range too
  bool trains_elements = false;  // FAT: a factor for each element of a weight
  bool is_symmetric = false;     // FAT: activations below and above 0 get [-T, T]
};

class Quantizer {
 public:
  virtual ~Quantizer() = default;

  // x: float32, any shape of the site. Differentiable in x and in parameters(); may be called from
  // several threads at once.
  virtual at::Tensor forward(const at::Tensor& x) = 0;
  // Moves running ranges by what forward() is about to get in a training step.
  virtual void observe(const at::Tensor& /*x*/) {}

  // What is trained, by name; shared with the quantizer: writing into one changes it.
  virtual std::map<std::string, at::Tensor> parameters() const { return {}; }
  // Parameters, and what else a checkpoint must keep.
  virtual std::map<std::string, at::Tensor> state() const { return parameters(); }
  // Brings parameters back to where they make sense (scales > 0); after every step.
  virtual void project() {}
  // Starts anew: another width, other ranges. What was trained of the old ones is lost, but
  // parameters() stay the same tensors, written in place: the optimizer holds them. Only where the
  // kind's grid is uniform; std::logic_error elsewhere.
  virtual void restart(const QuantizerStart& start);

  // Scales, zero points and codes as they are now.
  virtual QuantParams params() const = 0;
  // The same for a weight whose scales follow from its values.
  virtual QuantParams params_of(const at::Tensor& /*weight*/) const { return params(); }
  // Of parameters(): those that weight decay pulls to 0.
  virtual std::set<std::string> decayed() const { return {}; }
  // The codes of a weight: dequantized they are what forward() gives.
  virtual QuantTensor freeze(const at::Tensor& weight) const;
};

// Where scales begin. kMeanMagnitude: 2 mean|x| / sqrt(qmax), as LSQ's paper has it.
enum class QuantizerRanges { kLeastError, kMinMax, kMeanMagnitude };

// How a network with such quantizers is trained where the user says nothing else.
struct TrainingRecipe {
  bool trains_network = true;  // false: the quantizers' parameters alone
  // false: levels that are no grid of equal steps, or rules of one width; they take no other bits
  // while training and no dampening or freezing.
  bool has_uniform_grid = true;
  bool folds_batch_norm = false;
  std::string optimizer = "sgd";
  double learning_rate = 0.01;
  std::string schedule = "cosine";
  std::string guide = "none";
  QuantizerRanges ranges = QuantizerRanges::kLeastError;
  std::optional<QuantizerRanges> narrow_ranges = {};  // for weights of 4 bits and less
  int most_weight_bits = 8;                           // sites of more bits get LSQ
};

struct QuantizerKind {
  static constexpr const char* kKind = "quantizer";
  std::string name;
  std::string summary;
  std::string paper;
  std::unique_ptr<Quantizer> (*weight)(const QuantizerStart&, const at::Tensor& weight);
  std::unique_ptr<Quantizer> (*activation)(const QuantizerStart&);
  TrainingRecipe recipe = {};
};

// The scales as a tensor [1] or [channels], float32.
at::Tensor scales_of(const QuantParams& params);

// `params` with other scales. scales: [1] or [channels].
QuantParams with_scales(QuantParams params, const at::Tensor& scales);

// The weight as quantize_tensor() takes it: float32 [shape], a copy.
Tensor weight_values(const at::Tensor& weight);

// Codes that a quantizer rounded by a rule of its own. codes: whole numbers, float32.
QuantTensor coded(const at::Tensor& codes, QuantParams params);

// The largest scale whose last code stays within the start's limit; nullopt where there is none.
std::optional<float> scale_limit(const QuantizerStart& start);

// A zero point at the bottom of the codes (nothing below 0), or of a target that takes none.
bool has_fixed_zero_point(const QuantParams& params);

// Keeps every scale within [1e-8, limit]: below, the numeric contract ends.
void clamp_scales(at::Tensor& scales, const std::optional<float>& limit);

}  // namespace halftone
