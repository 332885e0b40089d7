#include "halftone/data/limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace halftone {
namespace {

std::vector<int64_t> random_labels(Rng& rng) {
  std::vector<int64_t> labels;
  const uint64_t classes = 1 + rng.below(12);
  for (uint64_t c = 0; c < classes; ++c)
    labels.insert(labels.end(), 1 + rng.below(30), static_cast<int64_t>(c) - 1);
  rng.shuffle(labels);
  return labels;
}

TEST(DrawSamples, SharesClassesAsEvenlyAsTheyAllow) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Rng rng(seed);
    const auto labels = random_labels(rng);
    const size_t count = 1 + rng.below(labels.size() + 5);
    const auto drawn = draw_samples(labels, count, Rng(seed, "limit"));

    ASSERT_EQ(drawn.size(), std::min(count, labels.size())) << "seed " << seed;
    ASSERT_TRUE(std::is_sorted(drawn.begin(), drawn.end())) << "seed " << seed;
    ASSERT_EQ(std::set<size_t>(drawn.begin(), drawn.end()).size(), drawn.size()) << "seed " << seed;
    ASSERT_LT(drawn.back(), labels.size());
    std::map<int64_t, size_t> share, size;
    for (int64_t label : labels) ++size[label], share[label] += 0;
    for (size_t i : drawn) ++share[labels[i]];
    for (const auto& [a, share_a] : share) {
      if (share_a == size[a]) continue;  // has no more to give
      for (const auto& [b, share_b] : share)
        ASSERT_GE(share_a + 1, share_b) << "seed " << seed << ", classes " << a << " and " << b;
    }
  }
}

TEST(DrawSamples, DependsOnTheSeedAlone) {
  const std::vector<int64_t> labels(100, -1);
  EXPECT_EQ(draw_samples(labels, 10, Rng(1)), draw_samples(labels, 10, Rng(1)));
  EXPECT_NE(draw_samples(labels, 10, Rng(1)), draw_samples(labels, 10, Rng(2)));
}

TEST(DrawSamples, ReachesEverySample) {
  const std::vector<int64_t> labels{0, 0, 0, 1, 1, 1, 1, 2};
  std::set<size_t> seen;
  for (uint64_t seed = 0; seed < 200; ++seed)
    for (size_t i : draw_samples(labels, 3, Rng(seed))) seen.insert(i);
  EXPECT_EQ(seen.size(), labels.size());
}

}  // namespace
}  // namespace halftone
