// What each site costs: it alone quantized, and it alone in float.
//
//   for (const SiteEffect& effect : one_site_effects({graph, placement, sites, graph}, data,
//   samples, {.batch = 8}, run)) ...
#pragma once

#include <set>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"
#include "halftone/nn/network.h"

namespace halftone {

struct SiteEffect {
  std::string site;  // sites that share a scale count as the one that owns it
  SiteKind kind = SiteKind::kActivation;
  int bits = 8;
  // Noise energy over signal energy of the network's first output (10^(-SQNR/10)).
  double loss_alone = 0;  // everything in float but this site
  // Mean over samples of KL(float || this site quantized), of the softmax over the last axis of the
  // first output; in nats.
  double divergence_alone = 0;
  double gain_if_float = 0;  // by how much the loss of the quantized network falls when this site
                             // is in float; may be negative
};

// What a quantized network is compared by: the float graph, what was quantized, and the biases that
// go with quantized weights.
struct QuantizedNetwork {
  const Graph& graph;  // float
  const Placement& placement;
  const QuantizedSites& sites;
  const Graph& corrected;  // `graph` with the biases of the quantized network; may be `graph`
};

// What is asked of which sites.
struct SiteQuestions {
  bool gain_if_float = true;        // else 0, in half of the time
  std::set<std::string> only = {};  // owners of a scale, or weights; empty: all
};

// The loss of the whole quantized network, as above, and every site's effect, worst loss_alone
// first. Passes are shared: for each site the network runs again only from that site on, so that
// all together costs about sites + 2 evaluations. The result does not depend on run.threads.
struct SiteEffects {
  double loss = 0;
  std::vector<SiteEffect> sites;
};
SiteEffects one_site_effects(const QuantizedNetwork& quantized, const Dataset& data,
                             const std::vector<size_t>& samples, const LoadOptions& load,
                             const Run& run, const SiteQuestions& questions = {});

}  // namespace halftone
