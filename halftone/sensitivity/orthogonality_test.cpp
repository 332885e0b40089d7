#include "halftone/sensitivity/orthogonality.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "halftone/base/rng.h"

namespace halftone {
namespace {

at::Tensor random_features(int64_t samples, int64_t columns, uint64_t seed) {
  Rng rng(seed, "features");
  at::Tensor features = at::empty({samples, columns}, at::kDouble);
  for (int64_t i = 0; i < features.numel(); ++i)
    features.data_ptr<double>()[i] = rng.uniform() * 2 - 1;
  return features;
}

at::Tensor similarity(const std::vector<at::Tensor>& features, Centring centring) {
  std::vector<at::Tensor> grams;
  for (const at::Tensor& feature : features) grams.push_back(centred(gram(feature), centring));
  return orthogonality(grams);
}

// |Y' X|^2 / (|X' X| |Y' Y|) of centred features: linear CKA without Gram matrices.
double dense(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = x - x.mean(0, true), b = y - y.mean(0, true);
  return (at::mm(b.t(), a).square().sum() / (at::mm(a.t(), a).norm() * at::mm(b.t(), b).norm()))
      .item<double>();
}

// The estimator term by term: over pairs of different samples.
double dense_unbiased(const at::Tensor& x, const at::Tensor& y) {
  auto product = [](const at::Tensor& a, const at::Tensor& b) {
    const auto n = static_cast<double>(a.size(0));
    at::Tensor k = at::mm(a, a.t()), l = at::mm(b, b.t());
    k.fill_diagonal_(0);
    l.fill_diagonal_(0);
    const double together = (k * l).sum().item<double>(),
                 alone = k.sum().item<double>() * l.sum().item<double>();
    const double rows = at::mm(k, l).sum().item<double>();
    return together + alone / ((n - 1) * (n - 2)) - 2 * rows / (n - 2);
  };
  return product(x, y) / std::sqrt(product(x, x) * product(y, y));
}

TEST(Orthogonality, EqualsItsDenseDefinition) {
  const std::vector<at::Tensor> features{random_features(7, 3, 1), random_features(7, 20, 2),
                                         random_features(7, 5, 3)};
  const at::Tensor biased = similarity(features, Centring::kBiased),
                   unbiased = similarity(features, Centring::kUnbiased);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      const auto &x = features[static_cast<size_t>(i)], &y = features[static_cast<size_t>(j)];
      EXPECT_NEAR(biased[i][j].item<double>(), dense(x, y), 1e-12);
      EXPECT_NEAR(unbiased[i][j].item<double>(), dense_unbiased(x, y), 1e-12);
    }
}

// Computed with NumPy from the definition.
TEST(Orthogonality, GivesTheGoldenMatrix) {
  const at::Tensor f1 = at::tensor({1., 0., 0., 1., 1., 1., 2., 0.}, at::kDouble).reshape({4, 2});
  const at::Tensor f2 = at::tensor({1., 2., 3., 4.}, at::kDouble).reshape({4, 1});
  const at::Tensor f3 =
      at::tensor({1., -1., 0., 0., 0., 1., 2., 1., 0., 1., 1., 1.}, at::kDouble).reshape({4, 3});
  const at::Tensor found = similarity({f1, f2, f3}, Centring::kBiased);
  EXPECT_NEAR(found[0][1].item<double>(), 0.302372, 1e-6);
  EXPECT_NEAR(found[0][2].item<double>(), 0.205879, 1e-6);
  EXPECT_NEAR(found[1][2].item<double>(), 0.689959, 1e-6);
}

TEST(Orthogonality, IsSymmetricWithOneOnTheDiagonal) {
  const std::vector<at::Tensor> features{random_features(16, 4, 1), random_features(16, 300, 2),
                                         random_features(16, 9, 3)};
  for (const Centring centring : {Centring::kBiased, Centring::kUnbiased}) {
    const at::Tensor found = similarity(features, centring);
    EXPECT_TRUE(at::equal(found, found.t()));
    EXPECT_TRUE(at::equal(found.diagonal(), at::ones({3}, at::kDouble)));
    EXPECT_LE(found.abs().max().item<double>(), 1);
  }
}

TEST(Orthogonality, IgnoresRotationScaleAndShift) {
  const at::Tensor x = random_features(12, 6, 1), y = random_features(12, 8, 2);
  const at::Tensor rotation = std::get<0>(at::linalg_qr(random_features(6, 6, 3)));
  const at::Tensor moved = 3 * at::mm(x, rotation) + 5 * random_features(1, 6, 4);
  for (const Centring centring : {Centring::kBiased, Centring::kUnbiased})
    EXPECT_NEAR(similarity({x, y}, centring)[0][1].item<double>(),
                similarity({moved, y}, centring)[0][1].item<double>(), 1e-12);
}

TEST(Orthogonality, DoesNotDependOnBlocks) {
  const at::Tensor wide = random_features(4, 600'000, 1);  // more than one block
  const at::Tensor less_mean = wide - wide.mean(0, true);
  EXPECT_LT((gram(wide) - at::mm(less_mean, less_mean.t())).abs().max().item<double>(), 1e-6);
}

TEST(Orthogonality, AConstantLayerIsSimilarToNoOther) {
  const at::Tensor found =
      similarity({at::ones({8, 3}, at::kDouble), random_features(8, 3, 1)}, Centring::kUnbiased);
  EXPECT_EQ(found[0][1].item<double>(), 0);
  EXPECT_EQ(found[0][0].item<double>(), 1);
}

}  // namespace
}  // namespace halftone
