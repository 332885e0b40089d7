// Random changes of training images that leave their class as it is.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "halftone/base/run.h"

namespace halftone {

struct Augmentation {
  bool crops = false;  // shifts by up to `padding` pixels, what enters is 0 (the mean)
  int padding = 0;     // 0: an eighth of the width
  bool flips = false;  // left and right, half of the images
  bool crops_resized =
      false;         // a part of 25 to 100 % of the area, 3/4 to 4/3, resized to the whole
  double mixup = 0;  // alpha of the Beta distribution; 0: off

  bool is_none() const { return !crops && !flips && !crops_resized && mixup <= 0; }
};

// "none", or words joined by commas: crop, flip, resized-crop, mixup. Throws UsageError naming the
// word.
Augmentation parse_augmentation(const std::string& words);

// images: [n, c, h, w]. samples: which sample of the data each row is. The changes of a sample
// follow from the run's seed, the epoch and the sample alone. Returns a new tensor; mixup is apart.
at::Tensor augmented(const at::Tensor& images, const std::vector<size_t>& samples, int epoch,
                     const Augmentation& how, const Run& run);

// Each image mixed with another of the batch: x = share x_i + (1 - share) x_other (Zhang et al.
// 2018). One share a batch.
struct Mixed {
  at::Tensor images;
  at::Tensor others;  // [n] int64: rows that were mixed in
  double share = 1;
};
Mixed mixed_up(const at::Tensor& images, uint64_t step, double alpha, const Run& run);

}  // namespace halftone
