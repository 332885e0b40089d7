// The ladder that `quantize` climbs where no method is named.
#include "halftone/ptq/method.h"

namespace halftone {
namespace {

HALFTONE_REGISTER(
    PtqMethod, "auto",
    "From cheap to dear until --max-drop is met: corrected, then qdrop; keeps the best", {}, {}, {},
    {}, {}, {}, {"corrected", "qdrop"});

}  // namespace
}  // namespace halftone
