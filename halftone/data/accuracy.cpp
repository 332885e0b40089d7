#include "halftone/data/accuracy.h"

#include <algorithm>
#include <cmath>

namespace halftone {

bool Accuracy::add(std::span<const float> logits, int64_t label) {
  if (label < 0 || label >= static_cast<int64_t>(logits.size())) return false;
  const auto right = static_cast<size_t>(label);
  size_t better = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    better += logits[i] > logits[right] || (logits[i] == logits[right] && i < right);
  ++samples_;
  first_ += better == 0;
  fifth_ += better < 5;
  const auto largest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  loss_ += largest + std::log(sum) - static_cast<double>(logits[right]);
  return better == 0;
}

}  // namespace halftone
