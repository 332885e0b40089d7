// A Guide adds to the loss what the float network knows: distillation, block replacement. It does
// not know which quantizers it guides.
//
//   auto guide = Registry<GuideKind>::get("distill").make({network, float_graph, options, run});
//   at::Tensor loss = label_loss(...) + guide->loss({inputs, outputs, logits, labels, step});
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/base/run.h"
#include "halftone/qat/losses.h"
#include "halftone/qat/trained_network.h"

namespace halftone {

struct GuideOptions {
  double distillation_weight = 1;  // of KL(float || quantized) in the logits
  double temperature = 1;          // of both softmaxes
  double feature_weight = 0.5;     // guide "features": of the difference at the cuts
  std::string blocks = "stage";    // where both networks are cut: stage, residual
  std::string mix =
      "prefix";             // which blocks of a mixed network are quantized: prefix, single, suffix
  double mixed_weight = 1;  // b: of the mixed networks together
  double mixed_label_weight = 0;    // c: of their cross-entropy
  double mixed_teacher_weight = 0;  // d: of distilling them into the quantized network
  int mix_samples = 0;              // mixed networks drawn each step; 0: all
  int mix_every = 1;                // steps between steps with mixed networks
  bool fades = false;               // mixed_weight falls to 0 over the last quarter
};

struct GuideStep {
  const TensorMap& inputs;   // of the batch, as the network was fed
  const TensorMap& outputs;  // of the quantized network: outputs and captures()
  const at::Tensor& logits;  // its first output
  const Labels& labels;      // undefined where they are not learned
  uint64_t step = 0;
  double progress = 0;           // of the training, in [0, 1)
  bool batch_statistics = true;  // of BatchNormalization, as in the quantized network's own pass
};

class Guide {
 public:
  virtual ~Guide() = default;
  // Values of the quantized network that loss() wants.
  virtual std::set<std::string> captures() const { return {}; }
  // A scalar; undefined where there is nothing to add.
  virtual at::Tensor loss(const GuideStep& step) = 0;
  // Top-1 in percent of the guide's own networks, in order, on the batches since the last call;
  // empty where it has none or there were no labels.
  virtual std::vector<double> take_top1() { return {}; }
  // What a checkpoint keeps, and how it goes on from there.
  virtual TensorMap state() const { return {}; }
  virtual void restore(const TensorMap& /*state*/) {}
};

struct GuideContext {
  const TrainedNetwork& network;  // what is trained; must live on
  const Graph& float_graph;       // the same graph with the float network's values
  const GuideOptions& options;
  const Run& run;
};

struct GuideKind {
  static constexpr const char* kKind = "guide";
  std::string name;
  std::string summary;
  std::string paper;
  bool uses_labels = true;  // false: the labels' own loss is left out too
  std::unique_ptr<Guide> (*make)(const GuideContext&) = nullptr;  // nullptr: adds nothing
};

}  // namespace halftone
