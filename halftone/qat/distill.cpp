#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/qat/guide.h"
#include "halftone/qat/losses.h"
#include "halftone/qat/parts.h"

namespace halftone {
namespace {

// The float network's first output for a batch.
at::Tensor float_logits(const Network& network, const TensorMap& inputs) {
  const at::NoGradGuard no_gradient;
  return network.run(inputs).at(network.graph().outputs[0].name);
}

class Distillation : public Guide {
 public:
  explicit Distillation(const GuideContext& context)
      : options_(context.options), teacher_(context.float_graph) {}

  at::Tensor loss(const GuideStep& step) override {
    return distillation_loss(float_logits(teacher_, step.inputs), step.logits,
                             options_.temperature) *
           options_.distillation_weight;
  }

 private:
  GuideOptions options_;
  Network teacher_;
};

// The logits themselves, not their probabilities: what threshold training minimises.
template <at::Tensor (*kLoss)(const at::Tensor&, const at::Tensor&)>
class LogitMatching : public Guide {
 public:
  explicit LogitMatching(const GuideContext& context) : teacher_(context.float_graph) {}
  at::Tensor loss(const GuideStep& step) override {
    return kLoss(float_logits(teacher_, step.inputs), step.logits);
  }

 private:
  Network teacher_;
};

// Distillation, and the features at the cuts against the float network's.
class FeatureMatching : public Guide {
 public:
  explicit FeatureMatching(const GuideContext& context)
      : options_(context.options),
        parts_(cut_into_parts(context.float_graph, context.options.blocks)) {}

  std::set<std::string> captures() const override {
    const auto cuts = cuts_of(parts_);
    return {cuts.begin(), cuts.end()};
  }

  at::Tensor loss(const GuideStep& step) override {
    const auto wanted = features_of(parts_, step.inputs.begin()->second);
    at::Tensor loss = distillation_loss(wanted.back(), step.logits, options_.temperature) *
                      options_.distillation_weight;
    for (size_t k = 0; k + 1 < parts_.size(); ++k)
      loss = loss + feature_loss(wanted[k], step.outputs.at(parts_[k].output)) *
                        (options_.feature_weight / static_cast<double>(parts_.size() - 1));
    return loss;
  }

 private:
  GuideOptions options_;
  std::vector<Part> parts_;
};

template <typename Kind>
std::unique_ptr<Guide> made(const GuideContext& context) {
  return std::make_unique<Kind>(context);
}

HALFTONE_REGISTER(GuideKind, "none", "The labels alone", "", true, nullptr);
HALFTONE_REGISTER(GuideKind, "distill", "The float network's probabilities beside the labels",
                  "Hinton et al. 2015, arXiv 1503.02531", true, made<Distillation>);
HALFTONE_REGISTER(GuideKind, "features", "Distillation, and features at block ends as in float",
                  "Romero et al. 2015, arXiv 1412.6550", true, made<FeatureMatching>);
HALFTONE_REGISTER(GuideKind, "rmse", "The float network's logits, without labels",
                  "Goncharenko et al. 2018, arXiv 1812.07872", false,
                  made<LogitMatching<root_mean_square_loss>>);
HALFTONE_REGISTER(GuideKind, "smoothed-l1", "The same by a smoothed absolute difference",
                  "Goncharenko et al. 2018, arXiv 1812.07872", false,
                  made<LogitMatching<smoothed_l1_loss>>);

}  // namespace
}  // namespace halftone
