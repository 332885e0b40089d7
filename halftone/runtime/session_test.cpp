// The address sanitizer brings allocation functions of its own: this test is for builds without.
#ifndef __SANITIZE_ADDRESS__
#include "halftone/runtime/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/quantized_network.h"
#include "tests/small_network.h"

namespace {
std::atomic<size_t> allocations{0};
}

// Counts what the whole test program allocates.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace halftone::runtime {
namespace {

TEST(Session, AllocatesNothingWhileItRuns) {
  std::vector<std::map<std::string, Tensor>> samples;
  for (uint64_t seed = 0; seed < 4; ++seed)
    samples.push_back({{"image", Tensor::of<float>({1, 3, 6, 6}, random_values(108, seed))}});
  for (int bits : {8, 4, 2}) {
    Session session(std::make_shared<Program>(
                        load_program(quantized_network(small_model(), samples, bits, bits))),
                    {.threads = 2});
    const std::vector<float> image = random_values(108, 9);
    std::vector<float> logits(4);
    const void* from = image.data();
    void* to = logits.data();
    const size_t before = allocations;
    const bool is_good = session.run({&from, 1}, {&to, 1});
    EXPECT_EQ(allocations, before);
    EXPECT_TRUE(is_good);
  }
}

}  // namespace
}  // namespace halftone::runtime
#endif
