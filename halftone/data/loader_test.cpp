#include "halftone/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "halftone/base/error.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Sample i is [i, i + 0.5] with label i % 3; some are broken.
class Counting : public Dataset {
 public:
  explicit Counting(size_t size, std::set<size_t> broken = {})
      : Dataset({{"x", {}, {}}}, labels_for(size), 0, "counting"), broken_(std::move(broken)) {}
  std::string name(size_t i) const override { return text("sample-", i); }
  std::string describe() const override { return "counting"; }

 private:
  static std::vector<int64_t> labels_for(size_t size) {
    std::vector<int64_t> labels;
    for (size_t i = 0; i < size; ++i) labels.push_back(static_cast<int64_t>(i % 3));
    return labels;
  }
  std::vector<Tensor> read(size_t i) const override {
    if (broken_.contains(i)) throw Error("decoding '", name(i), "': broken");
    const auto value = static_cast<float>(i);
    return {Tensor::of<float>({2}, {value, value + 0.5f})};
  }
  std::set<size_t> broken_;
};

struct Warnings : Reporter {
  void warning(std::string_view message) override { all.emplace_back(message); }
  std::vector<std::string> all;
};

std::vector<Batch> batches_of(const Dataset& data, const LoadOptions& options, const Run& run) {
  std::vector<Batch> batches;
  for_each_batch(data, options, run, [&](const Batch& batch) { batches.push_back(batch); });
  return batches;
}

TEST(Loader, GivesEverySampleOnceInOrderWithTheLastBatchPadded) {
  const Counting data(11);
  for (int threads : {1, 2, 5}) {
    const auto batches = batches_of(data, {.batch = 4}, halftone::Run{.threads = threads});
    ASSERT_EQ(batches.size(), 3u);
    size_t next = 0;
    for (const Batch& batch : batches) {
      ASSERT_EQ(batch.inputs.at(0).shape(), (Shape{4, 2}));
      EXPECT_EQ(batch.indices.size(), batch.count);
      for (size_t row = 0; row < 4; ++row) {
        const size_t sample = batch.indices[row % batch.count];
        EXPECT_EQ(batch.inputs[0].elements<float>()[2 * row + 1],
                  static_cast<float>(sample) + 0.5f);
        if (row >= batch.count) continue;
        EXPECT_EQ(sample, next++);
        EXPECT_EQ(batch.labels[row], static_cast<int64_t>(sample % 3));
      }
    }
    EXPECT_EQ(batches[2].count, 3u);
  }
}

TEST(Loader, FollowsTheGivenOrder) {
  const Counting data(5);
  std::vector<size_t> seen;
  for_each_batch(data, std::vector<size_t>{4, 0, 4, 2}, {.batch = 3}, halftone::Run{.threads = 2},
                 [&](const Batch& batch) {
                   seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
                 });
  EXPECT_EQ(seen, (std::vector<size_t>{4, 0, 4, 2}));
}

TEST(Loader, StopsAtABrokenSampleAndNamesIt) {
  const Counting data(100, {57, 3});
  for (int threads : {1, 4}) {
    try {
      batches_of(data, {.batch = 8}, halftone::Run{.threads = threads});
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("'sample-3'"));
    }
  }
}

TEST(Loader, SkipsBrokenSamplesTheSameWayForAnyThreads) {
  const Counting data(40, {0, 5, 6, 16, 17, 18, 19, 39});  // batch 4 of 4 is all broken
  for (int threads : {1, 3}) {
    Warnings warnings;
    const auto batches = batches_of(data, {.batch = 4, .skip_broken = true},
                                    halftone::Run{.threads = threads, .reporter = &warnings});
    EXPECT_EQ(batches.size(), 9u);
    size_t count = 0;
    for (const Batch& batch : batches) {
      EXPECT_EQ(batch.inputs.at(0).shape(), (Shape{4, 2}));
      for (size_t row = 0; row < 4; ++row)
        EXPECT_EQ(batch.inputs[0].elements<float>()[2 * row],
                  static_cast<float>(batch.indices[row % batch.count]));
      count += batch.count;
    }
    EXPECT_EQ(count, 32u);
    ASSERT_EQ(warnings.all.size(), 1u);
    EXPECT_THAT(warnings.all[0], AllOf(HasSubstr("8 of 40"), HasSubstr("sample-0"),
                                       HasSubstr("sample-5"), HasSubstr("3 more")));
  }
}

TEST(Loader, RefusesDataOfWhichNothingIsLeft) {
  EXPECT_THROW(batches_of(Counting(2, {0, 1}), {.skip_broken = true}, halftone::Run{}), Error);
}

TEST(Loader, RefusesSamplesOfDifferentShapesInOneBatch) {
  class Growing : public Counting {
   public:
    using Counting::Counting;

   private:
    std::vector<Tensor> read(size_t i) const override {
      return {Tensor::of<float>({static_cast<int64_t>(i) + 1}, std::vector<float>(i + 1))};
    }
  };
  try {
    load_batch(Growing(3), std::vector<size_t>{0, 2}, {.batch = 2});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("sample-2"), HasSubstr("[3]"), HasSubstr("[1]")));
  }
}

TEST(Loader, HoldsFewBatchesAtATime) {
  class Watched : public Counting {
   public:
    using Counting::Counting;
    mutable std::atomic<int> read_count = 0;

   private:
    std::vector<Tensor> read(size_t) const override {
      ++read_count;
      return {Tensor::scalar(1.0f)};
    }
  };
  const Watched data(200);
  int consumed = 0;
  for_each_batch(data, {.batch = 1}, halftone::Run{.threads = 3}, [&](const Batch&) {
    ++consumed;
    EXPECT_LE(data.read_count, consumed + 3 * 3);
  });
  EXPECT_EQ(consumed, 200);
}

}  // namespace
}  // namespace halftone
