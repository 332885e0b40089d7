// Seeds of a fuzz target's corpus, whole and damaged, for tests without a fuzzer.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"
#include "halftone/data/file_bytes.h"

namespace halftone::fuzz {

using Read = std::function<void(std::span<const std::byte>)>;

inline bool is_accepted(const Read& read, std::span<const std::byte> bytes) {
  try {
    read(bytes);
    return true;
  } catch (const Error&) {
    return false;
  }
}

inline std::vector<std::vector<std::byte>> seeds(const std::string& target) {
  std::vector<std::vector<std::byte>> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/" + target))
    all.push_back(FileBytes::open(entry.path())->read_all());
  EXPECT_FALSE(all.empty()) << target;
  return all;
}

// Every seed is accepted; cut at every byte, or with bytes changed, it is read or refused by Error,
// and nothing else.
inline void damage(const std::string& target, const Read& read) {
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

}  // namespace halftone::fuzz
