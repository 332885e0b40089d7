// Runs the float network over calibration data and lets observers see the activations of every
// site.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/export/placement.h"
#include "halftone/nn/network.h"
#include "halftone/quant/observer.h"

namespace halftone {

struct Calibration {
  std::map<std::string, std::unique_ptr<Observer>>
      observers;  // by site that has a range of its own
  // The network's first output for each sample, rows in the order of the data.
  std::vector<std::vector<float>> outputs;
  std::vector<size_t> samples;  // which sample each row is
};

// A value that the network gave for a batch of `rows` rows: the part of real samples in float32,
// dense in some order of axes.
at::Tensor real_values(const at::Tensor& value, const Batch& batch, size_t rows);

// All axes of a value but that of channels, 1: what a figure of each channel is taken over.
std::vector<int64_t> axes_but_channels(const at::Tensor& value);

// A value that the network gave for a batch of `batch_rows` rows: those of real samples, one by
// one.
std::vector<std::vector<float>> real_rows(const at::Tensor& value, const Batch& batch,
                                          size_t batch_rows);

// Throws Error naming the site and the samples where an activation is not finite. The result does
// not depend on run.threads.
Calibration calibrate(const Network& network, const Placement& placement,
                      const std::string& observer, const Dataset& data, const LoadOptions& how,
                      const Run& run);

}  // namespace halftone
