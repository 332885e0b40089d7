#include "halftone/nn/ops/constant_pad.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(ConstantPad, IsWhatLibTorchDoes) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({2, 3, 4, 5});
  const std::vector<std::vector<int64_t>> lists = {
      {0, 0}, {1, 2}, {0, 1, 0, 1}, {2, 0, 1, 3, 1, 1, 0, 2}, {-1, 2, 1, -2}};
  const std::vector<at::Tensor> tensors = {x, x.contiguous(at::MemoryFormat::ChannelsLast),
                                           x.slice(3, 1, 4), (100 * x).to(at::kChar)};
  for (size_t t = 0; t < tensors.size(); ++t)
    for (const auto& pads : lists) {
      SCOPED_TRACE(testing::Message()
                   << "tensor " << t << ", pads " << testing::PrintToString(pads));
      const at::Tensor expected = at::constant_pad_nd(tensors[t], pads, -2);
      EXPECT_TRUE(at::equal(constant_pad(tensors[t], pads, -2), expected));
      const c10::AutoGradMode no_gradient(false);
      const at::Tensor y = constant_pad(tensors[t], pads, -2);
      EXPECT_TRUE(at::equal(y, expected));
      EXPECT_EQ(y.suggest_memory_format(), expected.suggest_memory_format());
    }
}

}  // namespace
}  // namespace halftone
