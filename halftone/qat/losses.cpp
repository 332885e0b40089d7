#include "halftone/qat/losses.h"

#include <ATen/ATen.h>

namespace halftone {
namespace {

// [samples, everything else].
at::Tensor rows(const at::Tensor& x) { return x.reshape({x.size(0), -1}); }

at::Tensor differences(const at::Tensor& teacher, const at::Tensor& student) {
  return rows(student) - rows(teacher.detach());
}

}  // namespace

at::Tensor label_loss(const at::Tensor& logits, const Labels& labels, double smoothing) {
  auto of = [&](const at::Tensor& classes) {
    return at::cross_entropy_loss(logits, classes, {}, at::Reduction::Mean, -1, smoothing);
  };
  if (!labels.others.defined()) return of(labels.own);
  return of(labels.own) * labels.share + of(labels.others) * (1 - labels.share);
}

at::Tensor distillation_loss(const at::Tensor& teacher, const at::Tensor& student,
                             double temperature) {
  const at::Tensor wanted = at::log_softmax(teacher.detach() / temperature, -1);
  const at::Tensor got = at::log_softmax(student / temperature, -1);
  const at::Tensor each = (wanted.exp() * (wanted - got)).sum(-1);
  return each.mean() * (temperature * temperature);
}

at::Tensor root_mean_square_loss(const at::Tensor& teacher, const at::Tensor& student) {
  return (differences(teacher, student).square().sum(1).mean() + 1e-12).sqrt();
}

at::Tensor smoothed_l1_loss(const at::Tensor& teacher, const at::Tensor& student) {
  return (differences(teacher, student).square() + 1e-5).sqrt().sum(1).mean();
}

at::Tensor feature_loss(const at::Tensor& teacher, const at::Tensor& student) {
  const at::Tensor wanted = teacher.detach();
  return (student - wanted).square().mean() / wanted.square().mean().clamp_min(1e-12);
}

}  // namespace halftone
