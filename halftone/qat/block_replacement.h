// Block replacement (Yu et al. 2024, arXiv 2412.15846): beside the quantized network run mixed
// networks, in which quantized parts stand in the frozen float network. Their outputs show what a
// part gives that float parts can use, and their gradients reach it without straight-through
// estimators.
#pragma once

#include <map>
#include <vector>

#include "halftone/qat/guide.h"
#include "halftone/qat/parts.h"

namespace halftone {

class BlockReplacement : public Guide {
 public:
  // Throws as cut_into_parts(); UsageError for an unknown mix.
  explicit BlockReplacement(const GuideContext& context);

  std::set<std::string> captures() const override;
  // a KL(p_0 || p_n) + b/(n-1) sum_k [KL(p_0 || p_k) + c CE(z_k, y)] + d/(n-1) sum_k KL(p_k ||
  // p_n).
  at::Tensor loss(const GuideStep& step) override;
  // Of the mixed networks: they rise towards the float network's where the guidance works.
  std::vector<double> take_top1() override;
  TensorMap state() const override;
  void restore(const TensorMap& state) override;

  size_t part_count() const { return parts_.size(); }

  // Logits by how many parts were behind the first cut: 0 is the float network, k the mixed network
  // number k of `chosen`.
  std::map<size_t, at::Tensor> mixed_logits(const GuideStep& step,
                                            const std::vector<size_t>& chosen) const;

 private:
  std::vector<size_t> chosen(const GuideStep& step) const;
  double weight_of(const GuideStep& step) const;
  std::map<size_t, at::Tensor> entering(const GuideStep& step, const std::vector<size_t>& chosen,
                                        const std::vector<at::Tensor>& features) const;
  std::map<size_t, at::Tensor> through_suffixes(const std::map<size_t, at::Tensor>& entering) const;

  const TrainedNetwork& network_;
  GuideOptions options_;
  Run run_;
  std::vector<Part> parts_;  // of the float network, frozen
  struct Hits {
    double right = 0, samples = 0;
  };
  std::map<size_t, Hits> hits_;  // by mixed network
};

}  // namespace halftone
