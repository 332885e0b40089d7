// Cross-layer equalization: neighbouring layers' channels take the same range, which per-tensor
// scales then fit (Nagel et al. 2019, arXiv 1906.04721, section 4.1).
//
//   equalize(graph);                                   // pairs around a Clip stay as they are
//   equalize(graph, clip_maxima(network, data, ...));  // they take part as far as it allows
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// The largest value that each channel (axis 1) of a value was seen to take, by name.
using ChannelMaxima = std::map<std::string, std::vector<float>>;

// For each pair (layer_pairs) W1[i] /= s_i, b1[i] /= s_i, W2[:,i] *= s_i with s_i = sqrt(r1_i /
// r2_i), r the largest magnitudes of channel i: afterwards r1 = r2. Around a depthwise layer a
// triple, all three ranges becoming (r1 r2 r3)^(1/3). Sweeps over all of them until no s differs
// from 1 by 1e-3, at most 40 times. A channel with a range of 0 stays, and over all sweeps no
// channel is scaled by less than 2^-8 or more than 2^8. Statistics of the graph are scaled along.
// The function stays the same up to float rounding.
//
// A Clip clips every channel at one value, so that a scaled channel would be clipped elsewhere. The
// Clip stays, its value too, and limits the scaling instead: `seen` holds what calibration found
// before it. A channel that came within a fifth of the clip keeps its scale; another is stretched until it leaves
// a quarter of its largest value below the clip, or shrunk. The function is the same where no
// channel passes 1.25 times what was seen. Without an entry in `seen` the pair stays as it is.
//
// Returns the number of pairs, those of triples included, that took part.
size_t equalize(Graph& graph, const ChannelMaxima& seen = {});

}  // namespace halftone
