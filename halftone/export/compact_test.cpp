#include "halftone/export/compact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "halftone/export/dequantize.h"
#include "halftone/export/packed_weight.h"
#include "halftone/export/prepare.h"
#include "halftone/export/qdq.h"
#include "halftone/export/short_names.h"
#include "halftone/export/site_records.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/quant/weight_scales.h"
#include "tests/message_of.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

using ::testing::HasSubstr;

Tensor random_codes(const Shape& shape, const std::vector<int>& widths, size_t axis,
                    uint64_t seed) {
  Rng rng(seed);
  std::vector<double> codes(static_cast<size_t>(element_count(shape)));
  const auto inner = static_cast<size_t>(strides_of(shape)[axis]);
  for (size_t i = 0; i < codes.size(); ++i) {
    const int bits = widths.size() == 1 ? widths[0] : widths[i / inner % widths.size()];
    codes[i] = bits == 1 ? (rng.below(2) ? 1.0 : -1.0)
                         : static_cast<double>(rng.below(1u << bits)) -
                               static_cast<double>(1 << (bits - 1));
  }
  return Tensor::from_doubles(DType::kInt8, shape, codes);
}

// What the nodes compute when a runtime folds them.
std::vector<int32_t> unpacked(const Tensor& codes, const std::vector<int>& widths, int axis) {
  Graph graph;
  int64_t opset = 13;
  graph.outputs = {float_value(add_packed_weight(graph, "w", codes, widths, axis, opset), {})};
  graph.outputs[0].type = {};
  fold_constants(graph);
  return graph.initializers.at(graph.outputs[0].name).to_vector<int32_t>();
}

TEST(PackedWeight, UnpacksBitForBitAtEveryWidth) {
  for (int bits = 1; bits <= 8; ++bits)
    for (const Shape& shape : {Shape{16, 3, 3, 3}, Shape{5, 7}, Shape{1, 1, 1, 3}}) {
      const Tensor codes = random_codes(shape, {bits}, 0, static_cast<uint64_t>(bits));
      EXPECT_EQ(unpacked(codes, {bits}, 0), codes.to_vector<int32_t>())
          << bits << " bits, " << to_string(shape);
    }
}

TEST(PackedWeight, UnpacksMixedWidthsOfChannels) {
  for (size_t axis : {size_t{0}, size_t{1}})
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Rng rng(seed);
      const Shape shape{6, 6, 3};
      std::vector<int> widths(6);
      for (int& bits : widths) bits = 1 + static_cast<int>(rng.below(8));
      const Tensor codes = random_codes(shape, widths, axis, seed);
      EXPECT_EQ(unpacked(codes, widths, static_cast<int>(axis)), codes.to_vector<int32_t>())
          << "axis " << axis << ", seed " << seed;
    }
}

TEST(PackedWeight, RefusesACodeThatDoesNotFit) {
  EXPECT_THAT(
      message_of([] {
        unpacked(Tensor::from_doubles(DType::kInt8, {2}, std::vector<double>{3, 4}), {3}, 0);
      }),
      HasSubstr("the code 4 does not fit 3 bits"));
}

TEST(PackedWeight, StoresFewGroupsAndNoneTooNarrow) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Rng rng(seed);
    std::vector<int> widths(1 + rng.below(40));
    for (int& bits : widths) bits = 1 + static_cast<int>(rng.below(8));
    const auto small = storage_widths(widths, 9), large = storage_widths(widths, 1'000'000);
    EXPECT_EQ(large, widths) << "nodes cost nothing beside so many elements";
    for (size_t c = 0; c < widths.size(); ++c) EXPECT_GE(small[c], widths[c]);
    EXPECT_LE(std::set(small.begin(), small.end()).size(), 2U) << "seed " << seed;
  }
  EXPECT_EQ(storage_widths({1}, 8), std::vector<int>{8});
  EXPECT_EQ(storage_widths({3}, 1'000), std::vector<int>{4})
      << "a type of 4 bits needs fewer nodes than bit planes";
}

// The small network with weights of `bits` and activations from `low` to 5.
Model quantized(int bits, float low = -2) {
  const auto& profile = Registry<Profile>::get("onnxruntime");
  const Model model = prepare(small_model());
  const Placement placement = place(model.graph, profile, {});
  QuantizedSites sites;
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kActivation)
      sites.activations[site.name] = affine_params(low, 5, 8, {0, 255});
    if (site.kind != SiteKind::kWeight) continue;
    const Tensor& weight = model.graph.initializers.at(site.name);
    const auto params = weight_params(weight, site.axis, bits, weight_codes(profile, bits, false),
                                      WeightScale::kMse, site.name);
    sites.weights[site.name] = quantize_tensor(weight, params, site.name);
  }
  return write_qdq(model, placement, sites, profile);
}

TEST(Pack, UnpackGivesTheNumbersAndTheNamesOfSitesBack) {
  for (int bits : {1, 2, 3, 4, 7}) {
    const Model before = quantized(bits);
    const Model packed = pack(before);
    EXPECT_FALSE(packed.graph.initializers.contains("a.weight_quantized"));
    const Model after = unpack(packed);
    for (const char* weight : {"stem.weight", "a.weight", "b.weight", "fc.weight"}) {
      const std::string name = std::string(weight) + "_quantized";
      ASSERT_TRUE(after.graph.initializers.contains(name)) << name;
      EXPECT_EQ(after.graph.initializers.at(name).to_vector<int32_t>(),
                before.graph.initializers.at(name).to_vector<int32_t>());
    }
    const SiteRecords told = read_site_records(before), found = read_site_records(after);
    for (const auto& [site, record] : told) ASSERT_TRUE(found.contains(site)) << site;
    EXPECT_EQ(found.at("a.weight").bits, bits);
    EXPECT_EQ(after.opset(), before.opset());
  }
}

size_t count_of(const Model& model, const std::string& op) {
  return static_cast<size_t>(std::ranges::count(model.graph.nodes, op, &Node::op_type));
}

TEST(Pack, LeavesOutRelusThatTheirQDoesAndFindsThemAgain) {
  const Model before = quantized(4, 0), packed = pack(before);
  ASSERT_GT(count_of(before, "Relu"), 0u);
  EXPECT_EQ(count_of(packed, "Relu"), 0u);
  EXPECT_GE(count_of(dequantize(prepare(packed)).model, "Relu"), count_of(before, "Relu"));
  EXPECT_EQ(count_of(pack(quantized(4, -2)), "Relu"), count_of(before, "Relu"))
      << "codes that reach below 0 need it";
}

TEST(Pack, StoresWeightsOfOneShapeTogether) {
  Model model = quantized(4);
  Graph& g = model.graph;
  const size_t alone = count_of(pack(model), "Cast");
  // Two more layers like the first, on the same input.
  const auto conv = *std::ranges::find(g.nodes, "Conv", &Node::op_type);
  const auto weight = *std::ranges::find_if(
      g.nodes, [&](const Node& node) { return node.outputs[0] == conv.inputs[1]; });
  for (const std::string part : {"_x", "_y"}) {
    Node dq = weight, layer = conv;
    dq.name += part, layer.name += part;
    dq.inputs[0] += part;
    g.initializers[dq.inputs[0]] = g.initializers.at(weight.inputs[0]);
    dq.outputs[0] += part, layer.outputs[0] += part;
    layer.inputs[1] = dq.outputs[0];
    g.nodes.push_back(dq), g.nodes.push_back(layer);
    g.outputs.push_back({layer.outputs[0], {DType::kFloat, std::nullopt}, {}});
  }
  const Model packed = pack(model);
  EXPECT_EQ(count_of(packed, "Cast"), alone) << "one Cast for three weights";
  const Model back = unpack(packed);
  for (const std::string part : {"", "_x", "_y"})
    EXPECT_EQ(back.graph.initializers.at(weight.inputs[0] + part).to_vector<int32_t>(),
              g.initializers.at(weight.inputs[0] + part).to_vector<int32_t>());
}

TEST(Pack, PackingTwiceIsPackingOnce) {
  const Model once = pack(quantized(3)), twice = pack(once);
  EXPECT_EQ(once.graph.nodes.size(), twice.graph.nodes.size());
  EXPECT_EQ(once.graph.initializers.size(), twice.graph.initializers.size());
}

TEST(Pack, RefusesAFloatModel) {
  EXPECT_THAT(message_of([] { pack(small_model()); }), HasSubstr("halftone quantize"));
}

TEST(ShortNames, DamagedRecordIsAnError) {
  Model model = pack(quantized(4));
  for (const char* damage : {"", "12", "99999999999:AAAA", "10:AAAA", "5:@@@"}) {
    model.set_metadata("halftone.names", damage);
    EXPECT_THAT(message_of([&] { restore_names(model); }), HasSubstr("damaged")) << damage;
  }
}

}  // namespace
}  // namespace halftone
