#include "halftone/runtime/convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>

#include "halftone/base/rng.h"
#include "halftone/runtime/kernels/quads.h"
#include "tests/convolution_under_test.h"
#include "tests/simd_targets.h"

namespace halftone::runtime {
namespace {

int64_t pick(Rng& rng, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng.below(static_cast<uint64_t>(high - low + 1)));
}

Convolution random_convolution(Rng& rng) {
  Convolution p;
  p.window = {.height = pick(rng, 1, 5),
              .width = pick(rng, 1, 5),
              .stride_y = pick(rng, 1, 3),
              .stride_x = pick(rng, 1, 3),
              .dilation_y = pick(rng, 1, 2),
              .dilation_x = pick(rng, 1, 2),
              .pad_top = pick(rng, 0, 2),
              .pad_left = pick(rng, 0, 2),
              .pad_bottom = pick(rng, 0, 2),
              .pad_right = pick(rng, 0, 2)};
  if (rng.below(3) == 0) p.window = {};
  const int64_t kind = pick(rng, 0, 3);
  p.groups = kind == 0 ? pick(rng, 2, 4) : kind == 1 ? pick(rng, 2, 130) : 1;
  p.inputs = kind == 1 ? p.groups : p.groups * pick(rng, 1, kind == 0 ? 9 : 130);
  p.outputs = kind == 1 ? p.groups : p.groups * pick(rng, 1, kind == 0 ? 20 : 130);
  const auto weight_bits = static_cast<int>(pick(rng, 1, 9));
  const auto input_bits = static_cast<int>(pick(rng, 1, 8));
  p.most_input = (1 << input_bits) - 1;
  p.gives_float = rng.below(8) == 0;
  fill_randomly(p, weight_bits, rng);
  return p;
}

// 3x3, 24 -> 20, every input at `most_input`; weights by element of a tap row.
Convolution extreme(int most_input, const std::function<int(int64_t)>& weight) {
  Convolution p;
  p.window = {
      .height = 3, .width = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  p.inputs = 24;
  p.outputs = 20;
  p.most_input = most_input;
  p.weights.resize(static_cast<size_t>(p.outputs * 9 * p.inputs));
  for (size_t i = 0; i < p.weights.size(); ++i)
    p.weights[i] = static_cast<int16_t>(weight(static_cast<int64_t>(i)));
  p.bias.assign(20, 5);
  p.multiplier.assign(20, 1e-4f);
  p.output = {.scale = 1.0f, .zero_point = 100, .qmax = 255, .shift = 0};
  return p;
}

// The same of 70 channels with one filter each.
Convolution extreme_depthwise(int most_input, const std::function<int(int64_t)>& weight) {
  Convolution p = extreme(most_input, weight);
  p.groups = p.inputs = p.outputs = 70;
  p.weights.resize(static_cast<size_t>(p.outputs * 9));
  p.bias.assign(70, 5);
  p.multiplier.assign(70, 1e-4f);
  return p;
}

constexpr auto kExtremes = {extreme, extreme_depthwise};

// Every method that takes the problem gives the reference's bytes.
void expect_all_methods_agree(const Convolution& problem, const Instance& instance,
                              const std::string& what, size_t* made = nullptr) {
  const std::vector<uint8_t> wanted = instance.reference(problem);
  for (const auto& [name, method] : Registry<ConvolutionMethod>::all()) {
    std::string reason;
    const auto kernel = method.make(problem, reason);
    if (!kernel) continue;
    if (made) ++*made;
    for (int threads : {1, 3})
      EXPECT_EQ(instance.result(*kernel, problem, threads), wanted) << name << " on " << what;
  }
}

TEST(Convolution, EveryMethodEqualsTheReferenceOnRandomProblems) {
  on_every_target([](const char* target) {
    size_t made = 0;
    for (uint64_t seed = 0; seed < 150; ++seed) {
      Rng rng(seed, "random convolutions");
      const Convolution problem = random_convolution(rng);
      const Instance instance(problem, pick(rng, 1, 2), pick(rng, 1, 17), pick(rng, 1, 17), rng);
      expect_all_methods_agree(problem, instance, text(target, ", seed ", seed), &made);
    }
    EXPECT_GT(made, 300u);
  });
}

// Weights of one and two bits, ternary, and codebooks of other integers, with inputs of one to four
// bits.
TEST(Convolution, LookupsEqualTheReferenceForEveryFewLevels) {
  const std::vector<std::vector<int16_t>> codebooks = {{-1, 1},        {-1, 0, 1}, {-2, -1, 0, 1},
                                                       {-7, -1, 2, 9}, {3},        {-5, 4}};
  on_every_target([&](const char* target) {
    size_t made = 0;
    for (uint64_t seed = 0; seed < 240; ++seed) {
      Rng rng(seed, "few levels");
      Convolution problem = random_convolution(rng);
      if (problem.is_depthwise()) continue;
      const auto& levels = codebooks[seed % codebooks.size()];
      for (int16_t& weight : problem.weights) weight = levels[rng.below(levels.size())];
      problem.most_input = (1 << pick(rng, 1, 4)) - 1;
      const Instance instance(problem, 1, pick(rng, 1, 9), pick(rng, 1, 9), rng);
      expect_all_methods_agree(problem, instance, text(target, ", seed ", seed));
      std::string reason;
      made += Registry<ConvolutionMethod>::get("lookup").make(problem, reason) != nullptr;
    }
    EXPECT_GT(made, 25u) << target;
  });
}

// The largest entries at every step: byte sums are flushed just before they overflow.
TEST(Convolution, LookupsFlushBeforeBytesOverflow) {
  for (const auto& [low, high, most_input] :
       {std::tuple{-2, 1, 3}, {-1, 1, 1}, {-1, 1, 3}, {-1, 1, 15}, {-2, 1, 1}})
    for (const int weight : {low, high}) {
      Convolution problem = extreme(most_input, [&, first = low, second = high](int64_t i) {
        return i == 0 ? first + second - weight : weight;
      });
      problem.outputs = 64;
      problem.inputs = 24;
      problem.weights.resize(64 * 9 * 24, static_cast<int16_t>(weight));
      problem.bias.assign(64, 3);
      problem.multiplier.assign(64, 0.01f);
      on_every_target([&, most = most_input](const char* target) {
        Rng rng(1);
        Instance instance(problem, 1, 5, 6, rng);
        std::memset(instance.codes(), most, instance.input_layout().bytes());
        expect_all_methods_agree(problem, instance, target);
        std::string reason;
        EXPECT_TRUE(Registry<ConvolutionMethod>::get("lookup").make(problem, reason)) << reason;
      });
    }
}

TEST(Convolution, EveryMethodEqualsTheReferenceAtTheExtremes) {
  const std::vector<std::pair<const char*, std::function<int(int64_t, int)>>> patterns = {
      {"all highest", [](int64_t, int w) { return w; }},
      {"all lowest", [](int64_t, int w) { return -w; }},
      {"alternating", [](int64_t i, int w) { return i % 2 ? w : -w; }},
      {"alternating pairs", [](int64_t i, int w) { return i / 2 % 2 ? w : -w; }},
      {"alternating channels", [](int64_t i, int w) { return i / 216 % 2 ? w : -w; }},
  };
  on_every_target([&](const char* target) {
    for (const auto& [pattern, weight] : patterns)
      for (int most_input : {1, 3, 15, 127, 255})
        for (int w : {1, 2, 7, 8, 31, 32, 33, 63, 64, 65, 127, 255})
          for (const auto& make : kExtremes) {
            const Convolution problem = make(most_input, [&](int64_t i) { return weight(i, w); });
            Rng rng(1);
            Instance instance(problem, 1, 5, 6, rng);
            std::memset(instance.codes(), most_input, instance.input_layout().bytes());
            expect_all_methods_agree(problem, instance,
                                     text(target, ", ", pattern, " ", w, ", inputs ", most_input));
          }
  });
}

// extreme() with another number of outputs.
Convolution with_outputs(int64_t outputs, int most_input,
                         const std::function<int(int64_t)>& weight) {
  Convolution problem = extreme(most_input, weight);
  problem.outputs = outputs;
  problem.weights.clear();
  for (int64_t i = 0; i < outputs * 9 * 24; ++i)
    problem.weights.push_back(static_cast<int16_t>(weight(i)));
  problem.bias.assign(static_cast<size_t>(outputs), 0);
  problem.multiplier.assign(static_cast<size_t>(outputs), 1e-4f);
  return problem;
}

std::string chosen(const ConvolutionMethods& methods, int most_input,
                   const std::function<int(int64_t)>& weight) {
  return choose_method(with_outputs(256, most_input, weight), methods).name;
}

// Vectors of 16 channels in pairs would multiply zeros for every second one.
TEST(Convolution, LayersOfFewChannelsFillTheLanesOfDotProducts) {
  const ConvolutionMethod& dot = Registry<ConvolutionMethod>::get("dot");
  on_every_target([&](const char* target) {
    if (!dot.has_instruction()) return;
    for (int64_t outputs : {16, 32, 48}) {
      const auto problem =
          with_outputs(outputs, 255, [](int64_t i) { return static_cast<int>(i % 255) - 127; });
      std::string reason;
      const auto kernel = dot.make(problem, reason);
      EXPECT_EQ(kernel->weight_bytes(), problem.weights.size()) << outputs << ", " << target;
    }
  });
}

// Windows that are larger than a strip's room, or than all the room there is, and rows of many
// strips.
TEST(Convolution, DepthwiseStripsChangeNothing) {
  size_t cut = 0, refused = 0;
  on_every_target([&](const char* target) {
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Rng rng(seed, "depthwise strips");
      Convolution p;
      p.window = {.height = pick(rng, 1, 9),
                  .width = pick(rng, 1, 20),
                  .stride_y = pick(rng, 1, 2),
                  .stride_x = pick(rng, 1, 6),
                  .dilation_x = pick(rng, 1, 30),
                  .pad_left = pick(rng, 0, 9)};
      p.groups = p.inputs = p.outputs = pick(rng, 2, 80);
      p.gives_float = rng.below(4) == 0;
      fill_randomly(p, static_cast<int>(pick(rng, 1, 9)), rng);
      const int64_t columns = (p.window.width - 1) * p.window.dilation_x + 1;
      const Instance instance(p, 1, 9, columns + pick(rng, 0, 150), rng);
      expect_all_methods_agree(p, instance, text(target, ", seed ", seed));
      std::string reason;
      const auto kernel = Registry<ConvolutionMethod>::get("depthwise").make(p, reason);
      refused += kernel == nullptr;
      cut += kernel != nullptr && columns > 64;
    }
  });
  EXPECT_GT(refused, 0u);
  EXPECT_GT(cut, 50u);
}

// Weights of more than one bit by dot products whatever they are; one bit by lookups.
TEST(Convolution, DotProductsAreChosenWhereTheCpuHasThem) {
  const auto up_to = [](int most) {
    return [most](int64_t i) { return static_cast<int>(i % (2 * most + 1)) - most; };
  };
  const ConvolutionMethods with_dot = all_methods();
  ConvolutionMethods without = with_dot;
  std::erase_if(without, [](const ConvolutionMethod* method) { return method->name == "dot"; });
  ASSERT_EQ(without.size() + 1, with_dot.size());

  EXPECT_EQ(chosen(with_dot, 255, up_to(127)), "dot");
  EXPECT_EQ(chosen(without, 255, up_to(127)), "words");
  EXPECT_EQ(chosen(with_dot, 255, up_to(64)), "dot");
  EXPECT_EQ(chosen(without, 255, up_to(64)), "quads");
  EXPECT_EQ(chosen(with_dot, 15, up_to(7)), "dot");
  EXPECT_EQ(chosen(without, 15, up_to(7)), "quads-long");
  EXPECT_EQ(chosen(with_dot, 255, up_to(200)), "words");
  EXPECT_EQ(chosen(with_dot, 3, up_to(1)), "dot");
  EXPECT_EQ(chosen(without, 3, up_to(1)), "lookup");
  const auto signs = [](int64_t i) { return i % 2 ? 1 : -1; };
  EXPECT_EQ(chosen(with_dot, 3, signs), "lookup-signs");
  EXPECT_EQ(chosen(without, 3, signs), "lookup-signs");

  const auto depthwise = [&](int most) { return extreme_depthwise(255, up_to(most)); };
  EXPECT_EQ(choose_method(depthwise(127), with_dot).name, "depthwise-dot");
  EXPECT_EQ(choose_method(depthwise(200), with_dot).name, "depthwise");
}

// What the kernel found by asking the CPU, the operating system says too.
TEST(Convolution, DotProductsAreUsableWhereTheSystemListsThem) {
  std::ifstream file("/proc/cpuinfo");
  const std::string cpu(std::istreambuf_iterator<char>(file), {});
  if (cpu.find("\nflags") == std::string::npos) GTEST_SKIP() << "no flags in /proc/cpuinfo";
  const auto has = [&](const char* flag) { return cpu.find(flag) != std::string::npos; };
  const bool is_listed = has(" avx512_vnni") || (has(" avx_vnni") && !has(" avx512bw"));
  for (const std::string name : {"dot", "depthwise-dot"}) {
    const auto is_it = [&](const ConvolutionMethod* method) { return method->name == name; };
    EXPECT_EQ(std::ranges::any_of(usable_methods(), is_it), is_listed) << name;
  }
}

// 151 * 217 = 32767.
TEST(Convolution, BoundsAreTakenExactlyAndRefusedOneOver) {
  const auto takes = [](const char* method, int most_input, std::vector<int> first_weights) {
    const Convolution problem = extreme(most_input, [&](int64_t i) {
      return i < static_cast<int64_t>(first_weights.size()) ? first_weights[static_cast<size_t>(i)]
                                                            : 0;
    });
    std::string reason;
    const bool is_taken = Registry<ConvolutionMethod>::get(method).make(problem, reason) != nullptr;
    EXPECT_FALSE(reason.empty());
    return is_taken;
  };
  EXPECT_TRUE(takes("quads", 151, {127, 90}));
  EXPECT_FALSE(takes("quads", 151, {127, 91}));
  EXPECT_FALSE(takes("quads", 151, {0, 0, -127, -91}));
  EXPECT_TRUE(takes("quads", 151, {127, -127, 127, -127}));
  EXPECT_TRUE(takes("quads", 255, {64, 64}));
  EXPECT_FALSE(takes("quads", 255, {65, 64}));
  EXPECT_TRUE(takes("quads-2", 151, {55, 54, 0, 0, 54, 54}));
  EXPECT_FALSE(takes("quads-2", 151, {55, 54, 0, 0, 54, 55}));
  EXPECT_TRUE(takes("quads-2", 151, {55, 54, 54, 54, 54, 54, 55, 54}));
  EXPECT_TRUE(takes("words", 255, {255, -255}));
  EXPECT_TRUE(takes("dot", 255, {127, 127, 127, 127, -128}));
  EXPECT_FALSE(takes("dot", 1, {128, 0}));
  EXPECT_FALSE(takes("quads", 1, {128, 0}));
}

TEST(Convolution, LongSumsAreFlushedBeforeTheyLeave16Bits) {
  // A step adds 2 * 15 * 7 = 210 to each lane: 156 steps fit. 18 steps a row, three rows: no flush.
  // With 2 * 255 * 7 nine steps fit.
  EXPECT_EQ(std::ranges::count_if(walk_within_16_bits(extreme(15, [](int64_t) { return 7; })),
                                  &Stretch::is_flushed),
            0);
  const auto walk = walk_within_16_bits(extreme(255, [](int64_t) { return 7; }));
  int64_t steps = 0, most = 0;
  for (const Stretch& stretch : walk) {
    steps += stretch.steps;
    most = std::max(most, steps);
    if (stretch.is_flushed) steps = 0;
  }
  EXPECT_EQ(most, 9);
}

// Large enough to be split: the other problems here run on one thread whatever the pool has.
TEST(Convolution, ThreadsShareLargeProblemsAndChangeNothing) {
  std::set<std::string> made;
  for (const auto& [is_depthwise, weight_bits] :
       {std::pair(false, 1), std::pair(false, 2), std::pair(true, 2)}) {
    Rng rng(5);
    Convolution problem;
    problem.window = {.height = 3, .width = is_depthwise ? 3 : 1, .pad_top = 1, .pad_bottom = 1};
    problem.groups = is_depthwise ? 64 : 1;
    problem.outputs = 64;
    problem.inputs = is_depthwise ? 64 : 20;  // codes that end within a vector
    problem.most_input = 3;
    fill_randomly(problem, weight_bits, rng);
    const Instance instance(problem, 1, 117, 119, rng);
    const std::vector<uint8_t> wanted = instance.reference(problem);
    for (const auto& [name, method] : Registry<ConvolutionMethod>::all()) {
      std::string reason;
      const auto kernel = method.make(problem, reason);
      if (!kernel) continue;
      made.insert(name);
      for (int threads : {1, 2, 3, 5})
        EXPECT_EQ(instance.result(*kernel, problem, threads), wanted) << name << ", " << threads;
    }
  }
  EXPECT_TRUE(made.contains("words"));
  EXPECT_TRUE(made.contains("lookup"));
}

TEST(Convolution, RefusesSumsThat32BitsDoNotHold) {
  Convolution problem = extreme(255, [](int64_t) { return 255; });
  EXPECT_EQ(accumulator_bound(problem), 5 + int64_t{255} * 255 * 216);
  problem.bias[7] = 2'147'483'647 - 255 * 255 * 216;
  EXPECT_NO_THROW(choose_method(problem));
  ++problem.bias[7];
  EXPECT_THROW(choose_method(problem), Error);
}

// Sums beyond 2^24 lose bits in float: part of the contract.
TEST(Convolution, RoundsLargeSumsAsFloatDoes) {
  for (const auto& make : kExtremes) {
    Convolution problem = make(255, [](int64_t i) { return i % 3 ? 127 : 90; });
    for (size_t c = 0; c < problem.bias.size(); ++c) {
      problem.bias[c] = 900'000'001 + static_cast<int32_t>(c);
      problem.multiplier[c] = 1.0f / 7'000'000;
    }
    on_every_target([&](const char* target) {
      Rng rng(3);
      const Instance instance(problem, 1, 6, 6, rng);
      expect_all_methods_agree(problem, instance, target);
    });
  }
}

// Every sum is odd and halved: rounding half up, or after adding an odd zero point, gives other
// codes.
TEST(Convolution, EveryMethodRoundsTiesToEvenBeforeTheZeroPointIsAdded) {
  for (const int most_weight : {1, 7})
    for (const int32_t zero_point : {0, 1, 7, 128})
      for (const auto& make : kExtremes) {
        Rng values(static_cast<uint64_t>(zero_point));
        // Even products and an odd bias.
        Convolution problem = make(most_weight == 1 ? 1 : 15, [&](int64_t) {
          return most_weight == 1 ? 2 * static_cast<int>(values.below(2)) - 1
                                  : 2 * (static_cast<int>(values.below(8)) - 4);
        });
        std::ranges::fill(problem.bias, 25);
        std::ranges::fill(problem.multiplier, 0.5f);
        problem.output = {.scale = 1.0f, .zero_point = zero_point, .qmax = 255, .shift = 0};
        on_every_target([&](const char* target) {
          Rng rng(7);
          const Instance instance(problem, 1, 6, 7, rng);
          expect_all_methods_agree(problem, instance, text(target, ", zero point ", zero_point));
        });
      }
}

TEST(Requantize, RoundsTiesToEvenBeforeTheZeroPointIsAdded) {
  for (int32_t zero_point : {0, 1, 7, 128}) {
    const CodeType type{.scale = 1.0f, .zero_point = zero_point, .qmax = 255, .shift = 0};
    EXPECT_EQ(requantize(1, 0.5f, type), zero_point);      // 0.5 -> 0
    EXPECT_EQ(requantize(3, 0.5f, type), zero_point + 2);  // 1.5 -> 2
    EXPECT_EQ(requantize(5, 0.5f, type), zero_point + 2);  // 2.5 -> 2
  }
  const CodeType type{.scale = 1.0f, .zero_point = 10, .qmax = 15, .shift = 0};
  EXPECT_EQ(requantize(2'147'483'647, 1e30f, type), 15);
  EXPECT_EQ(requantize(-2'147'483'647, 1e30f, type), 0);
}

// input * (weight / output), (input / output) * weight, and double precision give other floats
// here.
TEST(Requantize, MultipliesScalesInTheOrderOfTheContract) {
  const float input = 0x1.7f4588p-4f, weight = 0x1.4eed8ap-4f, output = 0x1.4d36dap-10f;
  EXPECT_EQ(multiplier(input, weight, output), 0x1.813e2p+2f);
  EXPECT_NE(input * (weight / output), 0x1.813e2p+2f);
  EXPECT_NE((input / output) * weight, 0x1.813e2p+2f);
  EXPECT_NE(static_cast<float>(double{input} * double{weight} / double{output}), 0x1.813e2p+2f);
}

}  // namespace
}  // namespace halftone::runtime
