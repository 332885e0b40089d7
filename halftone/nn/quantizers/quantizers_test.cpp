#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizer.h"
#include "halftone/nn/quantizers/lsq.h"
#include "halftone/nn/quantizers/sign.h"
#include "halftone/nn/tensors.h"
#include "halftone/quant/weight_scales.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

at::Tensor random_tensor(std::vector<int64_t> shape, uint64_t seed) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  const auto values = random_values(static_cast<size_t>(count), seed);
  return at::tensor(at::ArrayRef<float>(values)).reshape(shape).clone();
}

at::Tensor values_of(std::initializer_list<float> list) {
  return at::tensor(at::ArrayRef<float>(list.begin(), list.end())).clone();
}

CodeRange weight_range(int bits) { return bits == 1 ? CodeRange{-1, 1} : full_range(bits, true); }

QuantizerStart weight_start(const at::Tensor& w, int bits, int axis) {
  return {.params = weight_params(from_torch(w), axis, bits, weight_range(bits), WeightScale::kMse,
                                  "weight")};
}

QuantizerStart activation_start(float low, float high, int bits) {
  return {.params = affine_params(low, high, bits, full_range(bits, false))};
}

std::vector<std::string> quantizer_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : Registry<QuantizerKind>::all()) names.push_back(name);
  return names;
}

TEST(Quantizers, AreRegistered) {
  for (const char* name : {"binary", "dorefa", "fat", "lsq", "lsq+", "minmax", "pact", "ternary"})
    EXPECT_NE(Registry<QuantizerKind>::find(name), nullptr) << name;
}

TEST(Quantizers, FrozenWeightsAreWhatForwardGivesBitForBit) {
  for (const std::string& name : quantizer_names())
    for (int bits = 1; bits <= 8; ++bits)
      for (int axis : {-1, 0}) {
        SCOPED_TRACE(text(name, ", ", bits, " bits, axis ", axis));
        const at::Tensor w = random_tensor({6, 4, 3, 3}, static_cast<uint64_t>(bits));
        const auto q = Registry<QuantizerKind>::get(name).weight(weight_start(w, bits, axis), w);
        q->project();
        const at::Tensor y = q->forward(w).detach();
        const at::Tensor written = to_torch(dequantize_tensor(q->freeze(w)));
        EXPECT_TRUE(at::equal(y, written)) << (y - written).abs().max();
        EXPECT_TRUE(at::equal(q->forward(w).detach(), written));
      }
}

TEST(Quantizers, FrozenActivationsAreWhatForwardGivesBitForBit) {
  for (const std::string& name : quantizer_names())
    for (int bits = 1; bits <= 8; ++bits)
      for (float low : {0.0f, -0.4f}) {
        SCOPED_TRACE(text(name, ", ", bits, " bits from ", low));
        at::Tensor x = random_tensor({5, 4, 3, 3}, 10 + static_cast<uint64_t>(bits));
        if (low == 0) x = x.clamp_min(0);
        const auto q =
            Registry<QuantizerKind>::get(name).activation(activation_start(low, 0.8f, bits));
        q->observe(x);
        q->project();
        const at::Tensor y = q->forward(x).detach();
        EXPECT_TRUE(at::equal(y, fake_quantize(x, q->params())));
        EXPECT_TRUE(at::equal(q->forward(at::zeros({1, 2})).detach(), at::zeros({1, 2})));
      }
}

TEST(Quantizers, KeepWhatTheyAreThroughACheckpoint) {
  for (const std::string& name : quantizer_names()) {
    SCOPED_TRACE(name);
    const at::Tensor x = random_tensor({5, 4}, 3);
    const auto& kind = Registry<QuantizerKind>::get(name);
    const auto trained = kind.activation(activation_start(-0.4f, 0.8f, 4));
    for (const auto& [unused, tensor] : trained->parameters()) tensor.mul_(0.9);
    trained->observe(x * 2);
    const auto restored = kind.activation(activation_start(-0.4f, 0.8f, 4));
    const auto from = trained->state();
    for (const auto& [part, tensor] : restored->state()) tensor.copy_(from.at(part));
    EXPECT_EQ(restored->params(), trained->params());
  }
}

struct Gradients {
  at::Tensor y, x, scale;
};
Gradients lsq_gradients(const at::Tensor& values, float scale, CodeRange range, bool is_weight) {
  const at::Tensor x = values.detach().clone().requires_grad_();
  QuantizerStart start{.params = {{scale}, {0}, -1, 2, range}, .counts_batch = true};
  const auto q = is_weight ? lsq_weight(start, x) : lsq_activation(start);
  const at::Tensor s = q->parameters().at("scale").requires_grad_();
  const at::Tensor y = q->forward(x);
  y.sum().backward();
  const double factor = lsq_factor(static_cast<double>(x.numel()), range, 0);
  return {y.detach(), x.grad(), s.grad() / factor};
}

TEST(Lsq, GoldensOfTheMethod) {
  const at::Tensor x = values_of({-1, -.26f, -.25f, .1f, .24f, .25f, .75f, 2});
  const Gradients with_sign = lsq_gradients(x, 0.5f, {-2, 1}, true);
  EXPECT_TRUE(at::equal(with_sign.y, values_of({-1, -.5f, 0, 0, 0, 0, .5f, .5f})));
  EXPECT_TRUE(at::equal(with_sign.x, values_of({1, 1, 1, 1, 1, 1, 0, 0})));
  EXPECT_NEAR(with_sign.scale.item<float>(), 0 - .48f + .5f - .2f - .48f - .5f + 1 + 1, 1e-5);
  const Gradients without = lsq_gradients(x, 0.5f, {0, 3}, false);
  EXPECT_TRUE(at::equal(without.y, values_of({0, 0, 0, 0, 0, 0, 1, 1.5f})));
  EXPECT_TRUE(at::equal(without.x, values_of({0, 0, 0, 1, 1, 1, 1, 0})));
  EXPECT_NEAR(without.scale.item<float>(), -.2f - .48f - .5f + .5f + 3, 1e-5);
}

// round(clamp(x / s', qmin - z, qmax - z)) s' with straight-through rounding, by tensor operations.
at::Tensor composed(const at::Tensor& x, const at::Tensor& s, const at::Tensor& zero_point,
                    CodeRange range) {
  const at::Tensor z = zero_point + (zero_point.round() - zero_point).detach();
  const at::Tensor steps = at::minimum(at::maximum(x / s, range.qmin - z), range.qmax - z);
  return (steps + (steps.round() - steps).detach()) * s;
}

struct Codes {
  CodeRange range;
  int32_t zero_point;
};

TEST(FakeQuantize, GradientsEqualTheComposedGraphForEveryWidthAxisAndSign) {
  for (int bits = 1; bits <= 8; ++bits)
    for (const auto& [axis, codes] :
         std::vector<std::pair<int, Codes>>{{-1, {full_range(bits, false), (1 << bits) / 3}},
                                            {0, {full_range(bits, false), (1 << bits) / 3}},
                                            {1, {full_range(bits, false), (1 << bits) / 3}},
                                            {-1, {full_range(bits, true), 0}},
                                            {0, {full_range(bits, true), 0}},
                                            {1, {full_range(bits, true), 0}}}) {
      const auto [range, z] = codes;
      SCOPED_TRACE(text(bits, " bits, axis ", axis, ", codes from ", range.qmin));
      const at::Tensor base = random_tensor({6, 5, 3, 3}, 40 + static_cast<uint64_t>(bits));
      const at::Tensor weights = random_tensor({6, 5, 3, 3}, 60);
      const int64_t scales = axis < 0 ? 1 : base.size(axis);
      const at::Tensor first = random_tensor({scales}, 50).abs() * 0.2 + 0.05;
      const at::Tensor x1 = base.clone().requires_grad_(), s1 = first.clone().requires_grad_();
      const at::Tensor x2 = base.clone().requires_grad_(), s2 = first.clone().requires_grad_();
      const at::Tensor y1 =
          fake_quantize(x1, s1, {.range = range, .axis = axis, .zero_points = {z}});
      const at::Tensor y2 =
          composed(x2, along(s2, axis, 4), at::full({1}, static_cast<float>(z)), range);
      (y1 * weights).sum().backward();
      (y2 * weights).sum().backward();
      EXPECT_TRUE(at::allclose(y1, y2, 0, 1e-6));
      EXPECT_TRUE(at::allclose(x1.grad(), x2.grad(), 1e-5, 1e-6));
      EXPECT_TRUE(at::allclose(s1.grad(), s2.grad(), 1e-4, 1e-4)) << s1.grad() << s2.grad();
    }
}

TEST(FakeQuantize, TrainedZeroPointHasItsGradient) {
  const at::Tensor base = random_tensor({400}, 70), weights = random_tensor({400}, 71);
  const CodeRange range{0, 7};
  auto gradients = [&](const auto& forward) {
    const at::Tensor s = at::full({1}, 0.11f).requires_grad_();
    const at::Tensor z = at::full({1}, 2.3f).requires_grad_();
    (forward(base, s, z) * weights).sum().backward();
    return at::cat({s.grad(), z.grad()});
  };
  const at::Tensor ours = gradients(
      [&](auto& x, auto& s, auto& z) { return fake_quantize(x, s, z, {.range = range}); });
  const at::Tensor wanted =
      gradients([&](auto& x, auto& s, auto& z) { return composed(x, s, z, range); });
  EXPECT_TRUE(at::allclose(ours, wanted, 1e-4, 1e-4)) << ours << wanted;
}

TEST(FakeQuantize, DoesNotDependOnTheNumberOfThreads) {
  const at::Tensor base = random_tensor({200001}, 80), weights = random_tensor({200001}, 81);
  std::vector<at::Tensor> found;
  for (int threads : {1, 3}) {
    at::set_num_threads(threads);
    const at::Tensor x = base.clone().requires_grad_();
    const at::Tensor s = at::full({1}, 0.1f).requires_grad_();
    const at::Tensor y = fake_quantize(x, s, {.range = {-4, 3}});
    (y * weights).sum().backward();
    found.push_back(at::cat({y.detach(), x.grad(), s.grad()}));
  }
  EXPECT_TRUE(at::equal(found[0], found[1]));
}

TEST(Lsq, FactorFallsWithTheRootOfTheElements) {
  const at::Tensor x = random_tensor({64, 10}, 90);
  auto gradient = [](const at::Tensor& values) {
    const at::Tensor input = values.clone().requires_grad_();
    const auto q = lsq_weight({.params = {{0.3f}, {0}, -1, 2, {-2, 1}}}, input);
    const at::Tensor s = q->parameters().at("scale").requires_grad_();
    q->forward(input).sum().backward();
    return s.grad().item<double>();
  };
  EXPECT_NEAR(gradient(at::cat({x, x})) / gradient(x), std::sqrt(2.0), 1e-4);
}

TEST(Pact, GradientOfTheBoundCountsWhatIsClipped) {
  const auto q =
      Registry<QuantizerKind>::get("pact").activation({.params = {{1.0f}, {0}, -1, 2, {0, 3}}});
  const at::Tensor x = values_of({-1, .3f, 1, 2.2f, 5}).requires_grad_();
  const at::Tensor bound = q->parameters().at("bound").requires_grad_();
  const at::Tensor y = q->forward(x);
  EXPECT_TRUE(at::equal(y.detach(), values_of({0, 0, 1, 2, 3})));
  y.sum().backward();
  EXPECT_FLOAT_EQ(bound.grad().item<float>(), 1.0f);  // 5 alone lies above
  EXPECT_TRUE(at::equal(x.grad(), values_of({0, 1, 1, 1, 0})));
}

TEST(DoReFa, GoldensOfTheMethod) {
  const at::Tensor w = values_of({-1.5f, -.5f, -.1f, 0, .2f, 1});
  auto levels = [&](int bits) {
    const auto q = Registry<QuantizerKind>::get("dorefa").weight(weight_start(w, bits, -1), w);
    const at::Tensor y = q->forward(w).detach();
    return y / q->state().at("factor");
  };
  const float third = 1.0f / 3, seventh = 1.0f / 7;
  EXPECT_TRUE(
      at::allclose(levels(2), values_of({-1, -third, -third, third, third, 1}), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(levels(3),
                           values_of({-1, -3 * seventh, -seventh, seventh, seventh, 5 * seventh}),
                           1e-5, 1e-6));
}

// Scales and levels follow from the weights' values: the gradient passes as if nothing were
// rounded.
TEST(SignQuantizers, GradientsPassStraightThroughForTensorsAndChannels) {
  for (const auto& [name, bits] : {std::pair{"binary", 1}, {"dorefa", 1}, {"ternary", 2}})
    for (int axis : {-1, 0}) {
      SCOPED_TRACE(text(name, ", axis ", axis));
      const at::Tensor w = random_tensor({6, 4, 3, 3}, 120).requires_grad_();
      const at::Tensor weights = random_tensor({6, 4, 3, 3}, 121);
      const auto q = Registry<QuantizerKind>::get(name).weight(weight_start(w, bits, axis), w);
      (q->forward(w) * weights).sum().backward();
      EXPECT_TRUE(at::equal(w.grad(), weights));
    }
}

TEST(SignQuantizers, ForwardIsTheFormulaOfThePapers) {
  const at::Tensor w = values_of({-1.5f, -.5f, .1f, .9f});
  const auto sign = Registry<QuantizerKind>::get("binary").weight(weight_start(w, 1, -1), w);
  EXPECT_TRUE(at::allclose(sign->forward(w), values_of({-.75f, -.75f, .75f, .75f})))
      << "sign times the mean magnitude";
  const auto ternary = Registry<QuantizerKind>::get("ternary").weight(weight_start(w, 2, -1), w);
  EXPECT_TRUE(at::allclose(ternary->forward(w), values_of({-1.2f, 0, 0, 1.2f})))
      << "the threshold is 0.7 * 0.75; 1.5 and 0.9 stay";
}

// The rounded levels move as factor * tanh(w) / max|tanh(w)|, whose maximum and factor are
// constants: finite differences of that.
TEST(DoReFa, GradientIsThatOfTheSquashedWeight) {
  for (int bits = 2; bits <= 7; ++bits) {
    SCOPED_TRACE(bits);
    const at::Tensor w = values_of({-1.5f, -.5f, -.1f, 0, .2f, 1}).requires_grad_();
    const auto q = Registry<QuantizerKind>::get("dorefa").weight(weight_start(w, bits, -1), w);
    q->forward(w).sum().backward();
    const double factor = q->state().at("factor").item<double>() / std::tanh(1.5);
    const double h = 1e-4;
    for (int64_t i = 0; i < w.numel(); ++i) {
      const double x = w[i].item<double>();
      const double slope = factor * (std::tanh(x + h) - std::tanh(x - h)) / (2 * h);
      EXPECT_NEAR(w.grad()[i].item<double>(), slope, 1e-4);
    }
  }
}

TEST(Fat, StartsAsPlainMinMaxAndKeepsZeroExact) {
  const at::Tensor x = random_tensor({1000}, 100);
  for (int bits : {2, 4, 8}) {
    const QuantizerStart start = activation_start(-0.7f, 1.0f, bits);
    const auto q = Registry<QuantizerKind>::get("fat").activation(start);
    EXPECT_TRUE(at::allclose(q->forward(x).detach(), fake_quantize(x, start.params), 1e-5, 1e-6));
    Rng rng(static_cast<uint64_t>(bits));
    for (int i = 0; i < 300; ++i) {
      for (const auto& [name, tensor] : q->parameters())
        tensor.fill_(rng.uniform() * 2 - (name == "beta" ? 1 : 0.3));
      q->project();
      EXPECT_EQ(q->forward(at::zeros({1})).item<float>(), 0.0f);
    }
  }
}

TEST(Fat, GradientsAreTheTableOfTheMethod) {
  for (int bits : {2, 4, 8}) {
    SCOPED_TRACE(bits);
    const float left = -0.5f, width = 1.5f;
    const auto q =
        Registry<QuantizerKind>::get("fat").activation(activation_start(left, left + width, bits));
    at::Tensor alpha = q->parameters().at("alpha"), beta = q->parameters().at("beta");
    alpha.fill_(0.8);
    beta.fill_(0.05);
    alpha.requires_grad_();
    beta.requires_grad_();
    // The range as calibration rounded it.
    const QuantParams p = activation_start(left, left + width, bits).params;
    const double r = static_cast<double>(p.scales[0]) * (p.range.levels() - 1);
    const double edge =
        -static_cast<double>(p.zero_points[0]) * static_cast<double>(p.scales[0]) + 0.05 * r;
    for (float value : {-2.0f, 0.1f, 0.31f, 3.0f}) {
      if (alpha.grad().defined()) {
        alpha.mutable_grad().zero_();
        beta.mutable_grad().zero_();
      }
      const at::Tensor x = values_of({value}).requires_grad_();
      const at::Tensor y = q->forward(x);
      y.sum().backward();
      const double out = y.item<double>();
      const bool is_inside = x.grad().item<float>() == 1.0f;
      const double wanted_alpha = (out - (is_inside ? static_cast<double>(value) : edge)) / 0.8;
      EXPECT_NEAR(alpha.grad().item<double>(), wanted_alpha, 1e-4) << value;
      EXPECT_NEAR(beta.grad().item<double>(), is_inside ? 0 : r, 1e-4) << value;
    }
  }
}

// One factor, around the middle code; with alpha = 1 the range of the larger side.
TEST(Fat, SymmetricRangesKeepTheirZeroPoint) {
  QuantizerStart start = activation_start(-1, 2, 4);
  start.is_symmetric = true;
  const auto q = Registry<QuantizerKind>::get("fat").activation(start);
  EXPECT_EQ(q->parameters().size(), 1u);
  const at::Tensor x = values_of({-1, 0, 0.4f, 2, 9});
  for (float alpha : {1.0f, 0.5f}) {
    q->parameters().at("alpha").fill_(alpha);
    const QuantParams params = q->params();
    EXPECT_EQ(params.zero_points[0], 8);
    EXPECT_NEAR(params.scales[0] * 7, 2 * alpha, 0.1 * alpha);
    const at::Tensor y = q->forward(x);
    EXPECT_EQ(y[1].item<float>(), 0);
    EXPECT_FLOAT_EQ(y[4].item<float>(), params.scales[0] * 7);
  }
  QuantizerStart one_sided = activation_start(0, 2, 4);
  one_sided.is_symmetric = true;
  EXPECT_EQ(Registry<QuantizerKind>::get("fat").activation(one_sided)->params().zero_points[0], 0);
}

TEST(Fat, ElementsStayWithinAQuarterAndKeepTheirSign) {
  const at::Tensor w = random_tensor({6, 20}, 110);
  QuantizerStart start = weight_start(w, 8, 0);
  start.trains_elements = true;
  const auto q = Registry<QuantizerKind>::get("fat").weight(start, w);
  q->parameters().at("elements").copy_(random_tensor({6, 20}, 111) * 3 + 1);
  q->project();
  const at::Tensor y = to_torch(dequantize_tensor(q->freeze(w)));
  const QuantParams params = q->params();
  const float step = *std::ranges::max_element(params.scales);
  EXPECT_LE((y - w).abs().sub(w.abs() * 0.25f).max().item<float>(), step);
}

TEST(Quantizers, ScalesStayPositiveAndBelowTheirLimit) {
  for (const std::string& name : quantizer_names()) {
    SCOPED_TRACE(name);
    QuantizerStart start = activation_start(0, 5.9f, 4);
    start.upper_limit = 6.0f;
    const auto q = Registry<QuantizerKind>::get(name).activation(start);
    for (const auto& [part, tensor] : q->parameters()) tensor.fill_(-3);
    q->project();
    EXPECT_GT(q->params().scales[0], 0);
    for (const auto& [part, tensor] : q->parameters()) tensor.fill_(100);
    q->project();
    EXPECT_LE(q->params().scales[0] * 15, 6.0f);
  }
}

}  // namespace
}  // namespace halftone
