// Damaged models and plans, through the reader, the passes and the native runtime: each is read or
// refused by Error, and a run stays within its arena (which the sanitizers see).
#include <gtest/gtest.h>

#include "tests/fuzz/damage.h"
#include "tests/fuzz/model_inputs.h"

namespace halftone {
namespace {

using fuzz::damage;

TEST(Robustness, OfModels) { damage("onnx", fuzz::read_onnx); }
TEST(Robustness, OfPlans) { damage("plan", fuzz::read_plan); }
TEST(Robustness, OfNativePrograms) { damage("native", fuzz::run_native); }

}  // namespace
}  // namespace halftone
