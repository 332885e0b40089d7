// Integer operators: exact, without a gradient, and outside of what is trained. The reference
// kernels compute them.
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

HALFTONE_REGISTER(NnOp, "BitShift", via_reference);
HALFTONE_REGISTER(NnOp, "ConvInteger", via_reference);
HALFTONE_REGISTER(NnOp, "DynamicQuantizeLinear", via_reference);
HALFTONE_REGISTER(NnOp, "MatMulInteger", via_reference);
HALFTONE_REGISTER(NnOp, "QLinearConv", via_reference);
HALFTONE_REGISTER(NnOp, "QLinearMatMul", via_reference);

}  // namespace
}  // namespace halftone
