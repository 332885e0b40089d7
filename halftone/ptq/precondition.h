// What is changed in the float network before it is quantized: equalization and absorption, each
// where asked for.
#pragma once

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/ptq/equalize.h"
#include "halftone/ptq/quantize.h"

namespace halftone {

// Does nothing where options ask for neither equalize nor absorb_bias. What a Clip limits is told
// by up to 256 of the samples. Absorbed biases are kept where the output's SQNR on up to 128
// samples stays at 40 dB or more; else the network is left as it was before, with a warning. Warns
// where no layers can be equalized or no bias is high. Does not depend on run.threads.
void precondition(Graph& graph, const Dataset& data, const QuantizeOptions& options,
                  const Run& run);

// The largest value of each channel before every Clip, over `samples`.
ChannelMaxima clip_maxima(const Graph& graph, const Dataset& data,
                          const std::vector<size_t>& samples, bool skip_broken, const Run& run);

}  // namespace halftone
