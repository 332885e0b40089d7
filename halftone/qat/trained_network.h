// A Network with a quantizer at every site: what is trained.
//
//   TensorMap out = network.run({{"image", images}}, {.training = true, .capture = {"/Relu_2"}});
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "halftone/export/placement.h"
#include "halftone/graph/graph.h"
#include "halftone/nn/network.h"
#include "halftone/nn/quantizer.h"

namespace halftone {

// The normalization that will be multiplied into a weight, by the names of its constants.
struct FollowingBatchNorm {
  std::string gamma, beta, mean, variance;
  double epsilon = 1e-5;
  std::string bias = {};          // of the layer; empty where it has none
  int64_t axis = 0;               // of the weight's output channels
  bool has_own_constants = true;  // nobody else reads gamma, mean, bias or weight
};

// A bias that the file holds as an integer at the product of two scales, which is coarse where both
// have few bits.
struct RoundedBias {
  std::string bias;                             // of the layer; empty where it has none
  std::string weight;                           // its site
  std::string input;                            // the activation site whose scale it takes
  std::optional<FollowingBatchNorm> norm = {};  // then the bias is what folding makes of it
};

// Quantizers by the site that owns them. A site without one stays in float.
struct SiteQuantizers {
  std::map<std::string, std::unique_ptr<Quantizer>> weights;
  std::map<std::string, std::unique_ptr<Quantizer>> activations;
  std::map<std::string, std::string> owners;  // of every activation site: whose quantizer it takes
  std::vector<RoundedBias> biases = {};
  // A trained factor for every element of a bias, by its name (nn/quantizers/element_factors.h).
  TensorMap bias_factors = {};
};

struct QuantizedRun {
  bool training = false;          // quantizers' running ranges move
  bool batch_statistics = false;  // BatchNormalization by the batch, and the running ones move
  std::set<std::string> capture = {};
  bool quantizes = true;  // false: the same weights in float
  // Called with the name and value of everything computed, before quantization.
  std::function<void(const std::string&, const at::Tensor&)> observe = {};
  // Called with what every quantizer gave: what it stands at (a weight, or the site that owns an
  // activation's quantizer), the value before and after.
  std::function<void(SiteKind kind, const std::string& site, const at::Tensor& value,
                     const at::Tensor& quantized)>
      watch = {};
};

class TrainedNetwork {
 public:
  TrainedNetwork(const Graph& graph, SiteQuantizers quantizers);

  // inputs by name; returns outputs and what is captured, as quantized. In training updates the
  // running statistics of BatchNormalization; without batch statistics biases are rounded as the
  // file has them. Without `training` it may be called from several
  // threads at once.
  TensorMap run(const TensorMap& inputs, const QuantizedRun& how = {}) const;
  // A part of the network, with the weights and quantizers of the whole. Running statistics and
  // ranges do not move.
  TensorMap run_part(const Network& part, const TensorMap& inputs, bool batch_statistics) const;

  // The running statistics that `like` (the same graph with other attributes) comes to in a
  // training run on a batch, quantizers as in evaluation; the network's own do not move.
  TensorMap run_statistics(const Network& like, const TensorMap& inputs) const;

  const Network& network() const { return network_; }
  // With the weights as they are, and biases times their factors.
  Graph graph() const;
  SiteQuantizers& quantizers() { return quantizers_; }
  const SiteQuantizers& quantizers() const { return quantizers_; }

  // What a checkpoint keeps, by name: the network's parameters and the quantizers' state. Shared.
  TensorMap state() const;
  // Copies values into the state; throws Error where a name or a shape differs.
  void restore(const TensorMap& state) const;

 private:
  TensorMap quantized_weights(const QuantizedRun& how) const;
  at::Tensor bias_now(const std::string& name) const;
  void round_biases(TensorMap& values) const;
  TensorMap part_values(const Network& part, bool rounds_biases) const;
  at::Tensor quantized(const std::string& name, const at::Tensor& value,
                       const QuantizedRun& how) const;

  Network network_;
  SiteQuantizers quantizers_;
};

// "weight/NAME/scale", "activation/NAME/scale": the name of a quantizer's tensor in state().
std::string state_name(SiteKind kind, const std::string& site, const std::string& tensor);

}  // namespace halftone
