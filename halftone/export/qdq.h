// Writes quantization into a graph as QuantizeLinear and DequantizeLinear.
//
//   Model out = write_qdq(model, placement, parameters, profile);
#pragma once

#include <map>
#include <string>

#include "halftone/export/placement.h"
#include "halftone/graph/graph.h"
#include "halftone/quant/quant_tensor.h"

namespace halftone {

// What every site of a placement came to.
struct QuantizedSites {
  std::map<std::string, QuantTensor> weights;      // by site
  std::map<std::string, QuantParams> activations;  // by site
  // Biases that are kept as a quantized file had them; others are rounded by write_qdq().
  std::map<std::string, QuantTensor> biases = {};
  // Biases that learning moved, by name; write_qdq() does not read them.
  std::map<std::string, std::vector<float>> moved_biases = {};

  bool contains(const std::string& site) const {
    return weights.contains(site) || activations.contains(site) || biases.contains(site);
  }
};

struct QdqOptions {
  // Store weights of Conv, Gemm, MatMul and ConvTranspose that stay in float as they are, not as
  // int8 with a DequantizeLinear.
  bool float_weights = false;
};

// model: what `placement` was made for; `sites` may hold more than it and less: what a quantized
// file had. Biases are rounded here, at scale s_x * s_w in float32. Names of inputs, outputs and
// the tensors between are kept. Sets the opset and IR version that the result needs and records
// every site's bits in the metadata.
Model write_qdq(const Model& model, const Placement& placement, const QuantizedSites& sites,
                const Profile& profile, const QdqOptions& options = {});

// A bias in int32 at scale s_x * s_w, multiplied in float32 in this order: every other product
// makes onnxruntime refuse the fusion. bias: one value a channel. input: of one scale.
QuantTensor round_bias(const std::vector<float>& bias, const QuantParams& input,
                       const QuantParams& weight);

// Widens the scales of channels whose bias would not fit the accumulator: |b| / (s_x s_w) <= 2^30 -
// K qmax_w qmax_x, K products in a sum. bias: one value a channel, or empty.
void fit_bias(QuantParams& weight, const std::vector<float>& bias, const QuantParams& input,
              int64_t products);

}  // namespace halftone
