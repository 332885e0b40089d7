#include "halftone/allocate/importance.h"

#include <gtest/gtest.h>

#include <cmath>

namespace halftone {
namespace {

// The golden is of gammas that are shifted but not standardised, so beta is scaled by their
// standard deviation here.
TEST(Importance, GivesTheGoldenCoefficients) {
  const std::vector<double> gammas{0.508251, 0.992331, 0.895838};
  const double mean = (gammas[0] + gammas[1] + gammas[2]) / 3;
  double square = 0;
  for (double gamma : gammas) square += (gamma - mean) * (gamma - mean) / 3;
  const auto one = importances(gammas, std::sqrt(square)),
             ten = importances(gammas, 10 * std::sqrt(square));
  const std::vector<double> golden_one{0.764985, 0.647478, 0.678692},
      golden_ten{0.342879, 0.014318, 0.020736};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(one[i], golden_one[i], 1e-6);
    EXPECT_NEAR(ten[i], golden_ten[i], 1e-6);
  }
}

TEST(Importance, OfBetaZeroIsTheSameForAll) {
  for (double value : importances({3, 1, 2}, 0)) EXPECT_EQ(value, 1);
}

TEST(Importance, DoesNotUnderflowWithManyLayers) {
  std::vector<double> gammas;
  for (int i = 0; i < 500; ++i) gammas.push_back(400 + i % 50);
  for (double value : importances(gammas, 10)) EXPECT_GT(value, 0);
}

}  // namespace
}  // namespace halftone
