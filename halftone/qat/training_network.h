// From a model to what is trained, and back to a model.
//
//   TrainingNetwork training(model, data, options, run);
//   ... train training.network() ...
//   Model quantized = training.exported();
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"
#include "halftone/graph/graph.h"
#include "halftone/ptq/quantize.h"
#include "halftone/qat/trained_network.h"

namespace halftone {

struct TrainingNetworkOptions {
  QuantizeOptions quantize = {};  // bits, plan, fixes, target, requantize, skip_broken
  std::string quantizer = "lsq";
  bool folds_batch_norm = false;
  bool rescales_depthwise = true;    // with per_tensor, where weights are not trained
  bool per_tensor = false;           // one scale a weight, not one a channel
  size_t calibration_samples = 256;  // of the data, for the first ranges
  bool counts_batch = false;         // see QuantizerStart
  bool clips_gradient = true;
  bool trains_elements = false;
  bool is_symmetric = false;
  // Where scales begin; absent: as the quantizer's recipe says.
  std::optional<QuantizerRanges> start = {};
};

class TrainingNetwork {
 public:
  // Calibrates on samples spread over `data`. Throws Error naming the site where a plan asks for
  // what is not trained.
  TrainingNetwork(const Model& source, const Dataset& data, const TrainingNetworkOptions& options,
                  const Run& run);

  TrainedNetwork& network() { return *network_; }
  const TrainedNetwork& network() const { return *network_; }
  const Placement& placement() const { return placement_; }
  // The float network as it came, of the same graph as network(): the partner of guides.
  const Graph& float_graph() const { return float_graph_; }
  // The same with BatchNormalization folded: what the report compares with.
  const Graph& folded_graph() const { return folded_.graph; }

  // Factors of normalizations that begin at 0 or above and must stay there (qat/batch_norm.h).
  const std::vector<std::string>& positive_gammas() const { return positive_gammas_; }

  // Every site to max(bits, its own): quantizers start anew, from the weights as they are, which
  // stay the same tensors.
  void lower_bits(int bits, const Dataset& data, const Run& run);

  // The quantizer of a site (of an activation: the one that owns the scale) to another width. A
  // weight gets the scale of least error, an activation keeps its range. Returns its state,
  // which began anew. Throws UsageError for quantizers without a uniform grid.
  std::vector<at::Tensor> set_bits(const std::string& site, int bits);
  int bits_of(const std::string& site) const;
  bool has_site(const std::string& site) const;

  // The trained weights, BatchNormalization folded, and codes and scales of all sites.
  struct Trained {
    Model model;  // float
    QuantizedSites sites;
  };
  Trained trained() const;
  // With Q and DQ, not packed.
  Model exported(const Trained& trained) const;

 private:
  void start_quantizers(const Dataset& data, const Run& run);
  QuantizedSites calibrated_sites(const Dataset& data, const Run& run) const;
  SiteQuantizers made_quantizers(const QuantizedSites& sites);
  QuantizerRanges first_ranges() const;
  Graph graph_now() const;   // with the weights as they are
  Model folded_now() const;  // the same, BatchNormalization folded
  std::vector<RoundedBias> rounded_biases() const;
  TensorMap bias_factors() const;
  QuantizerStart weight_start(const QuantParams& grid, const Tensor& weight,
                              const std::string& site) const;

  TrainingNetworkOptions options_;
  Model folded_;       // float, as it came: what placement_ was made for
  Graph float_graph_;  // BatchNormalization kept, or folded
  bool keeps_batch_norm_ = false;
  std::vector<std::string> positive_gammas_;
  Placement placement_;
  std::map<std::string, QuantSpec> specs_;
  std::map<std::string, QuantSpec> present_;      // with more bits for now
  std::map<std::string, QuantizerStart> starts_;  // of activations, as calibrated
  std::unique_ptr<TrainedNetwork> network_;
};

}  // namespace halftone
