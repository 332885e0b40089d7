#include "halftone/ptq/precondition.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "halftone/data/evaluate.h"
#include "halftone/data/loader.h"
#include "halftone/nn/network.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/over_batches.h"
#include "halftone/ptq/absorb_bias.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/compare.h"

namespace halftone {
namespace {

constexpr size_t kSamplesForClips = 256;
constexpr size_t kComparedSamples = 128;
constexpr double kLeastSqnr = 40;  // dB

std::vector<float> channel_maxima(const at::Tensor& value, const Batch& batch, size_t rows) {
  const at::Tensor maxima =
      real_values(value, batch, rows).amax(axes_but_channels(value)).contiguous();
  return {maxima.const_data_ptr<float>(), maxima.const_data_ptr<float>() + maxima.numel()};
}

double output_sqnr(const Graph& before, const Graph& after, const Dataset& data, bool skip_broken,
                   const Run& run) {
  const LoadOptions how{.batch = batch_size_for(before), .skip_broken = skip_broken};
  const auto samples = evenly_spread(all_samples(data), kComparedSamples);
  const auto x = outputs_of(Network(before), data, samples, how, run).outputs;
  const auto y = outputs_of(Network(after), data, samples, how, run).outputs;
  Energies energies;
  for (size_t i = 0; i < x.size(); ++i) energies.add(x[i], y[i]);
  return energies.sqnr_db();
}

}  // namespace

ChannelMaxima clip_maxima(const Graph& graph, const Dataset& data,
                          const std::vector<size_t>& samples, bool skip_broken, const Run& run) {
  std::set<std::string> clipped;
  for (const Node& node : graph.nodes)
    if (node.op_type == "Clip") clipped.insert(node.inputs[0]);
  if (clipped.empty()) return {};
  const Network network(graph);
  const LoadOptions how{.batch = batch_size_for(graph), .skip_broken = skip_broken};

  auto compute = [&](size_t, const Batch& batch) {
    ChannelMaxima found;
    if (batch.count == 0) return found;
    network.run(network_inputs(network, batch),
                {.observe = [&](const std::string& name, const at::Tensor& value) {
                  if (clipped.contains(name) && value.dim() >= 2)
                    found[name] = channel_maxima(value, batch, how.batch);
                }});
    return found;
  };

  ChannelMaxima total;
  over_batches<ChannelMaxima>(data, samples, how, run, "looking at clips", compute,
                              [&](const ChannelMaxima& found) {
                                for (const auto& [name, maxima] : found) {
                                  auto [known, is_new] = total.emplace(name, maxima);
                                  for (size_t c = 0; !is_new && c < maxima.size(); ++c)
                                    known->second[c] = std::max(known->second[c], maxima[c]);
                                }
                              });
  return total;
}

void precondition(Graph& graph, const Dataset& data, const QuantizeOptions& options,
                  const Run& run) {
  if (options.equalize) {
    const auto seen = clip_maxima(graph, data, evenly_spread(all_samples(data), kSamplesForClips),
                                  options.skip_broken, run);
    const size_t pairs = equalize(graph, seen);
    if (pairs == 0)
      run.warning(
          "--equalize: no two layers follow each other with nothing but an activation between; "
          "nothing was changed");
  }
  if (!options.absorb_bias) return;
  Graph absorbed = graph;
  if (absorb_high_biases(absorbed) == 0) {
    run.warning(
        "--absorb-bias: no bias is high enough, or no BatchNormalization tells which are; nothing "
        "was changed");
    return;
  }
  const double sqnr = output_sqnr(graph, absorbed, data, options.skip_broken, run);
  if (sqnr >= kLeastSqnr)
    graph = std::move(absorbed);
  else
    run.warning(text("--absorb-bias: the output's SQNR would fall to ", std::round(10 * sqnr) / 10,
                     " dB, below ", kLeastSqnr, " dB; biases stay as they were"));
}

}  // namespace halftone
