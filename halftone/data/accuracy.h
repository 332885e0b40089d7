// Top-1, top-5 and cross-entropy of logits against labels, sample by sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace halftone {

class Accuracy {
 public:
  // logits of one sample; label in [0, logits.size()), anything else is ignored. Equal logits: the
  // lower index wins.
  // Returns whether the label came first; false where it is ignored.
  bool add(std::span<const float> logits, int64_t label);

  size_t samples() const { return samples_; }
  double top1_percent() const { return percent(first_); }
  double top5_percent() const { return percent(fifth_); }
  // Mean of -log softmax(logits)[label], natural logarithm.
  double loss() const { return samples_ ? loss_ / static_cast<double>(samples_) : 0; }

 private:
  double percent(size_t right) const {
    return samples_ ? 100.0 * static_cast<double>(right) / static_cast<double>(samples_) : 0;
  }
  size_t samples_ = 0, first_ = 0, fifth_ = 0;
  double loss_ = 0;
};

}  // namespace halftone
