// Time of Network against the same network written by hand in LibTorch, one thread, ResNet-20 at
// batches of 1 and 128.
//   build/release/bench/network_speed            # exit 1 where Network takes more than 1.2 times
//   as long
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>

#include "bench/resnet20.h"
#include "halftone/nn/network.h"
#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"

namespace halftone::bench {
namespace {

constexpr double kMostTimes = 1.2;

double milliseconds(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Both in turn, many rounds; returns the median of the rounds' ratios.
double compare(int64_t batch, int rounds, int repeats) {
  const c10::InferenceMode inference;
  const Graph graph = resnet20();
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, tensor] : graph.initializers) weights[name] = to_torch(tensor);
  const Network network(graph);
  const at::Tensor image = at::randn({batch, 3, 32, 32});
  const double off =
      (network.run({{"image", image}}).at("logits") - resnet20_by_hand(image, weights))
          .abs()
          .max()
          .item<double>();
  if (off > 1e-3) throw Error("the two networks differ by ", off);
  std::vector<double> ours, theirs, ratios;
  for (int round = 0; round < rounds; ++round) {
    theirs.push_back(milliseconds([&] {
      for (int i = 0; i < repeats; ++i) resnet20_by_hand(image, weights);
    }));
    ours.push_back(milliseconds([&] {
      for (int i = 0; i < repeats; ++i) network.run({{"image", image}});
    }));
    ratios.push_back(ours.back() / theirs.back());
  }
  const double ratio = median(ratios);
  std::cout << std::fixed << std::setprecision(2) << "batch " << batch << ": Network x" << ratio
            << " of LibTorch by hand (" << median(ours) / repeats << " ms, "
            << median(theirs) / repeats << " ms; limit x" << kMostTimes << ")\n";
  return ratio;
}

}  // namespace
}  // namespace halftone::bench

int main() {
  using namespace halftone::bench;
  const halftone::OneTorchThread one_thread;
  const double worst = std::max(compare(1, 41, 5), compare(128, 15, 1));
  return worst <= kMostTimes ? 0 : 1;
}
