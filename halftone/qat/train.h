// Training with quantization, from model to model.
//
//   TrainResult result = train(read_model(path), *data, {.network = {.quantize = {.weights = 2,
//   .activations = 2}}, .epochs = 10}, run);
//   write_model(result.model, "out.onnx");
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/ptq/quantize_report.h"
#include "halftone/qat/augment.h"
#include "halftone/qat/guide.h"
#include "halftone/qat/oscillation.h"
#include "halftone/qat/training_network.h"

namespace halftone {

// Empty words and absent numbers: what the quantizer's recipe says.
struct TrainOptions {
  TrainingNetworkOptions network = {};  // its folds_batch_norm follows batch_norm below
  std::string batch_norm = "";  // keep: trained and folded at the end; fold: folded at first
  int epochs = 10;
  size_t batch = 128;
  std::string optimizer = "";
  std::optional<double> learning_rate = {};
  double momentum = 0.9;
  std::optional<double> weight_decay =
      {};  // absent: 1e-4, or 3e-5 where weights have 2 bits or less
  std::string schedule = "";
  double warmup = 0;           // share of the steps
  double clip_gradients = 10;  // norm of all gradients together; 0: not clipped
  double ema = 0;              // of the weights, after each step: what stays of the average; 0: off
  double label_weight = 1;
  double label_smoothing = 0;
  std::string guide = "";
  GuideOptions guiding = {};
  std::optional<Augmentation> augmentation = {};  // absent: crop and flip where labels are learned
  std::vector<int> lowering = {};  // bits of earlier parts of the training, from many to few
  double frozen_batch_norm = 0.1;  // share of the steps, at the end, with running statistics
  int reestimation_batches = 50;   // of BatchNormalization after training; 0: not done
  OscillationOptions oscillation = {};
  std::vector<MakeStepHook> hooks = {};  // more of them
  std::string hooks_described = "";      // for a checkpoint: what they depend on
  double seconds_between_saves = 10;     // of a checkpoint; the result does not depend on it
  std::string metrics = "";              // file: .csv, else JSON lines
  const Dataset* validation = nullptr;   // keeps the best epoch by it; not owned
};

struct EpochReport {
  int epoch = 0;  // from 1
  double loss = 0;
  std::optional<double> train_top1 = {};       // percent, of the batches as they were learned from
  std::optional<double> validation_top1 = {};  // percent
  double images_per_second = 0;
  double learning_rate = 0;             // of the last step
  std::vector<double> mixed_top1 = {};  // percent, of the mixed networks of block replacement
};

struct TrainResult {
  Model model;
  QuantizedSites sites;
  QuantizeReport report;  // figures on the validation data, else on samples of the training data
  std::vector<EpochReport> epochs;
  int best_epoch = 0;  // whose weights were written; 0: as they started
  std::string quantizer, guide;
};

// The result depends on the model, the data, the options, run.seed and run.threads. Stops between
// epochs where run.is_time_up(), with a warning. Throws Error naming step and layer where the loss
// is no longer finite; UsageError for options that do not fit each other.
TrainResult train(const Model& model, const Dataset& data, const TrainOptions& options,
                  const Run& run);

}  // namespace halftone
