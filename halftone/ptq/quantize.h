// Post-training quantization from model to model.
//
//   QuantizeResult result = quantize(read_model(path), *calibration, {.weights = 8}, run);
//   write_model(result.model, "out.onnx");
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/export/encodings.h"
#include "halftone/export/placement.h"
#include "halftone/graph/graph.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/quality_target.h"
#include "halftone/ptq/quantize_report.h"
#include "halftone/ptq/reconstruction.h"
#include "halftone/quant/plan.h"

namespace halftone {

struct QuantizeOptions {
  int weights = 8;      // bits, 1..8
  int activations = 8;  // bits, 2..8, or 32: weight-only
  // Weight-only: input channels that share a scale (0: all), and whether weights have zero points.
  int group = 0;
  Scheme weight_scheme = Scheme::kSymmetric;
  std::string method = "auto";
  std::string target = "onnxruntime";
  std::string observer = {};                           // of activations; empty: the method's
  std::optional<BiasCorrection> bias_correction = {};  // nullopt: the method's
  bool equalize = false;                               // ptq/equalize.h, before calibration
  bool absorb_bias = false;                            // ptq/absorb_bias.h, after equalization
  bool full_range =
      false;  // 8-bit weights within [-127, 127] where the target's default is narrower
  // Below 8 bits, one quantizer for a value that a layer and a residual Add read, instead of one
  // each (graph/passes/separate_skips.h).
  bool shares_skips = false;
  bool float_weights = false;  // weights of operators that stay in float are stored as they are
  bool skip_broken = false;    // leave out samples that cannot be read
  std::optional<QuantPlan> plan = {};
  std::string plan_text = {};  // for the line in its error messages
  std::string plan_source = {};
  bool requantize = false;  // a quantized model is dequantized first; otherwise what it has is kept
  Encodings encodings = {};             // ranges and widths of single tensors, taken as they are
  std::vector<std::string> fixes = {};  // SITE=BITS or SITE=float; SITE may hold * and ?
  ReconstructionOptions reconstruction = {};  // of methods that learn
  bool explains = false;                      // finds what each site costs alone, and why
  QualityTarget quality = {};                 // where a ladder of methods stops
  const Dataset* validation =
      nullptr;  // of the report's figures and the ladder's; not owned. nullptr: calibration samples
};

struct QuantizeResult {
  Model model;
  QuantizedSites sites;
  QuantizeReport report;
};

// data: samples to calibrate on, labels not needed. What a partly quantized model has, parameters
// and codes, stays as it is; a model that is quantized throughout is an error without `requantize`.
// The result depends on the model, the data, the options and run.seed alone. Throws Error naming
// the tensor, site or sample at fault; UsageError for options out of range.
QuantizeResult quantize(const Model& model, const Dataset& data, const QuantizeOptions& options,
                        const Run& run);

}  // namespace halftone
