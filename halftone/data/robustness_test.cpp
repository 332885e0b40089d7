// Every reader of data/ against damaged files: it returns or throws Error, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "halftone/base/rng.h"
#include "tests/fuzz/data_inputs.h"

namespace halftone {
namespace {

using Read = std::function<void(fuzz::Bytes)>;

bool is_accepted(const Read& read, fuzz::Bytes bytes) {
  try {
    read(bytes);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::vector<std::byte>> seeds(const std::string& target) {
  std::vector<std::vector<std::byte>> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/" + target))
    all.push_back(FileBytes::open(entry.path())->read_all());
  EXPECT_FALSE(all.empty()) << target;
  return all;
}

void damage(const std::string& target, const Read& read) {
  SCOPED_TRACE(target);
  Rng rng(1, target);
  for (const auto& seed : seeds(target)) {
    EXPECT_TRUE(is_accepted(read, seed));
    for (size_t size = 0; size < seed.size(); ++size)
      is_accepted(read, std::span(seed).first(size));
    for (int trial = 0; trial < 500; ++trial) {
      auto bytes = seed;
      for (uint64_t k = rng.below(4) + 1; k > 0; --k)
        bytes[rng.below(bytes.size())] =
            rng.below(2) ? static_cast<std::byte>(rng.below(256)) : std::byte{0xff};
      is_accepted(read, bytes);
    }
  }
}

TEST(Robustness, OfImages) { damage("image", fuzz::read_image); }
TEST(Robustness, OfNpy) { damage("npy", fuzz::read_npy); }
TEST(Robustness, OfNpz) { damage("npz", fuzz::read_npz); }
TEST(Robustness, OfIdx) { damage("idx", fuzz::read_idx); }
TEST(Robustness, OfPreprocess) { damage("preprocess", fuzz::read_preprocess); }
TEST(Robustness, OfClassList) { damage("class_list", fuzz::read_class_list); }

}  // namespace
}  // namespace halftone
