// How sharply the loss bends at each tensor of a network: Fisher information and Hessian trace.
//
//   const auto traces = fisher_traces(network, {"conv1.weight"}, {"/Relu_output_0"}, data, samples,
//                                     {.batch = 1}, run);
//   loss_increase = 0.5 * noise_variance * traces.at("conv1.weight");
//
// A noise of variance v on every element of a tensor, independent of the gradient, raises the loss
// by v/2 times the trace of the loss' Hessian (Dong et al. 2019, HAWQ, arXiv 1905.03696; Peters et
// al. 2023, QBitOpt, arXiv 2307.04535).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/nn/network.h"

namespace halftone {

struct CurvatureInput {
  const Network& network;
  std::set<std::string> weights;      // initializers, by name
  std::set<std::string> activations;  // values, by name; fed inputs too
  const Dataset& data;
  std::vector<size_t> samples;
  LoadOptions load;
};

// By name: the trace of the Fisher information, sum over the elements of E[(d log p(y|x) / dx)^2],
// mean over samples. y is drawn from the network's own softmax over the last axis of its first
// output, so that no labels are needed and the estimate is unbiased. One backward pass a sample.
// The result does not depend on run.threads.
std::map<std::string, double> fisher_traces(const CurvatureInput& input, const Run& run);

// By name, of weights alone: the trace of the Hessian of the mean cross-entropy with the samples'
// labels, by Hutchinson's estimator E[v' H v] with v of random signs, `probes` for each batch. May
// be negative for single tensors. Throws Error where a sample has no label.
std::map<std::string, double> hessian_traces(const CurvatureInput& input, int probes,
                                             const Run& run);

}  // namespace halftone
