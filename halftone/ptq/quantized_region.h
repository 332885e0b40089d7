// A part of a network with its quantizers, as block reconstruction runs it.
#pragma once

#include <string>
#include <vector>

#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"
#include "halftone/graph/subgraph.h"
#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/network.h"

namespace halftone {

// The values that quantizers work with in one run. Weights and steps that are absent are in float.
struct RegionQuantizers {
  TensorMap weights = {};  // fake-quantized weights by site, and biases
  TensorMap steps = {};    // scales of activations by the site that owns them, one element each
  // Each activation element is quantized with this probability (QDrop); seeds[i] draws for
  // activation_sites()[i].
  float keep = 1;
  std::vector<uint32_t> seeds = {};
  // LSQ's gradient factor 1/sqrt(elements * qmax) for the steps, elements counted over so many
  // runs; 0: no factor.
  int normalized_over = 0;
};

class QuantizedRegion {
 public:
  // graph, placement: of the whole network. sites: zero points and code ranges; their scales are
  // not read here.
  QuantizedRegion(const Graph& graph, Region region, const Placement& placement,
                  const QuantizedSites& sites);

  const Region& region() const { return region_; }
  // Weight sites that its nodes read.
  const std::vector<std::string>& weight_sites() const { return weight_sites_; }
  // Activation sites that its nodes make, in order, and the sites that own their scales (each
  // once); some of these may be made before the region, by what it only moves. own_owners() leaves
  // those out: their scale is settled.
  const std::vector<std::string>& activation_sites() const { return activation_sites_; }
  const std::vector<std::string>& owners() const { return owners_; }
  const std::vector<std::string>& own_owners() const { return own_owners_; }

  struct Bias {
    std::string name, input, weight;  // input: an activation site
    std::vector<float> values;
  };
  // Biases that are rounded to the product of the two scales.
  const std::vector<Bias>& biases() const { return biases_; }

  // inputs by name, as region().inputs; returns region().outputs. Differentiable; may be called
  // from several threads.
  TensorMap run(const TensorMap& inputs, const RegionQuantizers& quantizers) const;

 private:
  struct ActivationQuantizer {
    std::string owner;
    size_t index;  // in activation_sites_
    int32_t zero_point;
    CodeRange range;
  };

  Region region_;
  Network network_;
  std::vector<std::string> weight_sites_, activation_sites_, owners_, own_owners_;
  std::vector<Bias> biases_;
  std::map<std::string, ActivationQuantizer> quantizers_;  // by the value that they quantize
};

// Fake-quantized weights, biases and steps with the present codes and scales of `sites`, for a
// region.
RegionQuantizers hard_quantizers(const QuantizedRegion& region, const QuantizedSites& sites);

// The weights alone: activations and biases in float.
RegionQuantizers hard_weights(const QuantizedRegion& region, const QuantizedSites& sites);

}  // namespace halftone
