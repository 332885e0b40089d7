// Every reader of data/ against damaged files: it returns or throws Error, and nothing else.
#include <gtest/gtest.h>

#include "tests/fuzz/damage.h"
#include "tests/fuzz/data_inputs.h"

namespace halftone {
namespace {

using fuzz::damage;

TEST(Robustness, OfImages) { damage("image", fuzz::read_image); }
TEST(Robustness, OfNpy) { damage("npy", fuzz::read_npy); }
TEST(Robustness, OfNpz) { damage("npz", fuzz::read_npz); }
TEST(Robustness, OfIdx) { damage("idx", fuzz::read_idx); }
TEST(Robustness, OfPreprocess) { damage("preprocess", fuzz::read_preprocess); }
TEST(Robustness, OfClassList) { damage("class_list", fuzz::read_class_list); }

}  // namespace
}  // namespace halftone
