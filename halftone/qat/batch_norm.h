// BatchNormalization in a network that is trained with it and written without it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/graph/graph.h"
#include "halftone/qat/trained_network.h"

namespace halftone {

// By weight: of every Conv, ConvTranspose or Gemm whose output nobody but a BatchNormalization
// reads, with constants of its own.
std::map<std::string, FollowingBatchNorm> following_batch_norms(const Graph& graph);

// Gammas that are negative become positive with their weights, biases and means turned round: the
// same function. Codes of a weight with more negative than positive ones could not be turned round
// when the normalization is folded.
void make_gammas_positive(Graph& graph, const std::map<std::string, FollowingBatchNorm>& norms);

// gamma / sqrt(variance + epsilon) of each channel, from a graph's constants.
std::vector<float> folding_factors(const Graph& graph, const FollowingBatchNorm& norm);

// Running statistics become the mean over batches of the batches' means and (unbiased) variances,
// the rest of the network as in evaluation (Nagel et al. 2022). Does nothing in a network without
// BatchNormalization. batches: inputs by name.
void reestimate_batch_norm(const TrainedNetwork& network, const std::vector<TensorMap>& batches);

}  // namespace halftone
