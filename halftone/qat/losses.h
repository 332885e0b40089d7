// What training minimises. All are means over the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace halftone {

// What samples are. All -1 or undefined: nothing is known.
struct Labels {
  at::Tensor own;          // [n] int64, -1 is left out
  at::Tensor others = {};  // mixup: of what was mixed in, [n] int64; undefined: nothing was
  double share = 1;        // of a sample's own image
};

// logits: [n, classes]. smoothing in [0, 1).
at::Tensor label_loss(const at::Tensor& logits, const Labels& labels, double smoothing = 0);

// T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over the last axis, mean over the
// rest. The teacher gets no gradient.
at::Tensor distillation_loss(const at::Tensor& teacher, const at::Tensor& student,
                             double temperature);

// sqrt(mean over samples of the summed squared differences + 1e-12) (Goncharenko et al. 2018).
at::Tensor root_mean_square_loss(const at::Tensor& teacher, const at::Tensor& student);
// Mean over samples of the summed sqrt(difference^2 + 1e-5), what the authors' program minimises.
at::Tensor smoothed_l1_loss(const at::Tensor& teacher, const at::Tensor& student);

// mean((student - teacher)^2) / mean(teacher^2).
at::Tensor feature_loss(const at::Tensor& teacher, const at::Tensor& student);

}  // namespace halftone
