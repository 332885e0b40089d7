// BatchNormalization in a network that is trained with it and written without it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/graph/graph.h"
#include "halftone/qat/trained_network.h"

namespace halftone {

// By weight: of everything that fold_batch_norm() folds.
std::map<std::string, FollowingBatchNorm> following_batch_norms(const Graph& graph);

// Gammas that are negative become positive with their weights, biases and means turned round: the
// same function. Codes of a weight with more negative than positive ones could not be turned round
// when the normalization is folded. What shares a constant with others stays.
void make_gammas_positive(Graph& graph, const std::map<std::string, FollowingBatchNorm>& norms);

// gamma / sqrt(variance + epsilon) of each channel, from a graph's constants.
std::vector<float> folding_factors(const Graph& graph, const FollowingBatchNorm& norm);

// Takes running statistics anew: the mean over batches of the batches' means and variances, the
// rest of the network as in evaluation (Nagel et al. 2022).
//
//   BatchNormEstimate estimate(network);
//   for (...) estimate.add(inputs);
//   estimate.finish();
class BatchNormEstimate {
 public:
  explicit BatchNormEstimate(const TrainedNetwork& network);
  void add(const TensorMap& batch);  // inputs by name
  // Sets the network's running statistics; leaves them where no batch was added.
  void finish();

 private:
  const TrainedNetwork& network_;
  Network probe_;
  TensorMap sums_;
  int batches_ = 0;
};

}  // namespace halftone
