// Softmax, LogSoftmax, Hardmax along one axis.
#include <ATen/ATen.h>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

NnOutputs softmax(const NnInputs& in) {
  return {at::softmax(in[0], axis_of(in.node, -1, in[0].dim()))};
}

NnOutputs log_softmax(const NnInputs& in) {
  return {at::log_softmax(in[0], axis_of(in.node, -1, in[0].dim()))};
}

NnOutputs hardmax(const NnInputs& in) {
  const int64_t axis = axis_of(in.node, -1, in[0].dim());
  return {at::zeros_like(in[0]).scatter(axis, at::argmax(in[0], axis, true), 1)};
}

HALFTONE_REGISTER(NnOp, "Softmax", or_reference<softmax>);
HALFTONE_REGISTER(NnOp, "LogSoftmax", or_reference<log_softmax>);
HALFTONE_REGISTER(NnOp, "Hardmax", or_reference<hardmax>);

}  // namespace
}  // namespace halftone
