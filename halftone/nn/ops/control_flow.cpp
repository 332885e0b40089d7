// If, Loop, Scan and the recurrent operators: run by the reference kernels, without a gradient.
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

HALFTONE_REGISTER(NnOp, "If", via_reference);
HALFTONE_REGISTER(NnOp, "Loop", via_reference);
HALFTONE_REGISTER(NnOp, "Scan", via_reference);
HALFTONE_REGISTER(NnOp, "RNN", via_reference);
HALFTONE_REGISTER(NnOp, "GRU", via_reference);
HALFTONE_REGISTER(NnOp, "LSTM", via_reference);

}  // namespace
}  // namespace halftone
