#include <ATen/ATen.h>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

HALFTONE_REGISTER(NnOp, "Add", [](const NnInputs& in) { return std::vector{at::add(in[0], in[1])}; });
HALFTONE_REGISTER(NnOp, "Sub", [](const NnInputs& in) { return std::vector{at::sub(in[0], in[1])}; });
HALFTONE_REGISTER(NnOp, "Mul", [](const NnInputs& in) { return std::vector{at::mul(in[0], in[1])}; });

}  // namespace
}  // namespace halftone
