// The reference kernels (graph/ops) on LibTorch's tensors: for operators without a useful gradient
// that LibTorch lacks, and for types that it stores but does not compute with.
//
//   HALFTONE_REGISTER(NnOp, "MatMulInteger", via_reference);        // always the reference kernel
//   HALFTONE_REGISTER(NnOp, "Add", or_reference<add>);              // for uint16, float8, ...
#pragma once

#include "halftone/nn/op.h"

namespace halftone {

// Copies in and out; no gradient passes. The outputs stand on the first input's device.
NnOutputs via_reference(const NnInputs& in);

// Whether LibTorch has arithmetic for the type: not for uint16, uint32, uint64 and float8, which it
// only stores.
bool computes_with(at::ScalarType type);
// Whether it has for all inputs.
bool has_computable_inputs(const NnInputs& in);

template <auto f>
NnOutputs or_reference(const NnInputs& in) {
  return has_computable_inputs(in) ? NnOutputs(f(in)) : via_reference(in);
}

// The same, with integers left to the reference kernel too.
template <auto f>
NnOutputs on_floats(const NnInputs& in) {
  const bool is_plain = has_computable_inputs(in) && in[0].is_floating_point();
  return is_plain ? NnOutputs(f(in)) : via_reference(in);
}

}  // namespace halftone
