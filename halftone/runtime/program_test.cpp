#include "halftone/runtime/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "halftone/export/compact.h"
#include "halftone/graph/ops/window.h"
#include "halftone/runtime/session.h"
#include "tests/message_of.h"
#include "tests/quantized_network.h"
#include "tests/simd_targets.h"
#include "tests/small_network.h"

namespace halftone::runtime {
namespace {

using Inputs = std::map<std::string, Tensor>;

Inputs random_image(uint64_t seed) {
  return {{"image", Tensor::of<float>({1, 3, 6, 6}, random_values(108, seed))}};
}

std::vector<Inputs> random_images(size_t count) {
  std::vector<Inputs> images;
  for (size_t i = 0; i < count; ++i) images.push_back(random_image(1000 + i));
  return images;
}

std::shared_ptr<const Program> load(const Model& model, const LoadOptions& options = {}) {
  return std::make_shared<Program>(load_program(model, options));
}

// Bytes of all outputs, one after another.
std::vector<std::byte> outputs_of(Session& session, const Inputs& inputs) {
  std::vector<const void*> from;
  std::vector<std::vector<std::byte>> results;
  std::vector<void*> to;
  for (const Port& port : session.inputs()) from.push_back(inputs.at(port.name).bytes().data());
  for (const Port& port : session.outputs())
    to.push_back(results.emplace_back(port.bytes(), std::byte{0x5A}).data());
  EXPECT_TRUE(session.run(from, to)) << session.error();
  std::vector<std::byte> all;
  for (const auto& result : results) all.insert(all.end(), result.begin(), result.end());
  return all;
}

std::vector<float> floats_of(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

const Model& small_quantized(int bits) {
  static std::map<int, Model> models;
  if (!models.contains(bits))
    models[bits] = quantized_network(small_model(), random_images(20), bits, bits);
  return models[bits];
}

TEST(Program, EveryTargetGivesTheBytesOfPlainLoops) {
  for (int bits : {8, 4, 2}) {
    Session reference(load(small_quantized(bits), {.use_reference = true}));
    on_every_target([&](const char* target) {
      Session session(load(small_quantized(bits)));
      for (uint64_t seed = 0; seed < 10; ++seed)
        EXPECT_EQ(outputs_of(session, random_image(seed)),
                  outputs_of(reference, random_image(seed)))
            << target << ", " << bits << " bits";
    });
  }
}

// Floats round a sum where integers do not, so a value next to a tie may fall to the other side of
// it: rarely.
TEST(Program, AgreesWithTheSimulation) {
  for (int bits : {8, 4, 2}) {
    const Model& model = small_quantized(bits);
    const Graph simulated = prepare(model).graph;
    Session session(load(model));
    int different = 0;
    for (uint64_t seed = 0; seed < 60; ++seed) {
      const auto ours = floats_of(outputs_of(session, random_image(seed)));
      const auto theirs = interpret(simulated, random_image(seed)).at(0).to_vector<float>();
      for (size_t i = 0; i < ours.size(); ++i)
        different += std::abs(ours[i] - theirs[i]) > 1e-4f * std::abs(theirs[i]) + 1e-5f;
    }
    EXPECT_LE(different, 2) << bits << " bits";
  }
}

TEST(Program, ThreadsRunsAndWhatWasInMemoryChangeNothing) {
  const auto program = load(small_quantized(4));
  Session first(program);
  const auto wanted = outputs_of(first, random_image(5));
  for (int threads : {1, 2, 3}) {
    Session session(program, {.threads = threads});
    for (int pattern : {0x00, 0xFF, 0xA5}) {
      session.poison(static_cast<std::byte>(pattern));
      EXPECT_EQ(outputs_of(session, random_image(5)), wanted)
          << threads << " threads, memory of " << pattern;
    }
    outputs_of(session, random_image(6));
    EXPECT_EQ(outputs_of(session, random_image(5)), wanted);
  }
}

TEST(Program, RunsABatchAsItRunsItsImages) {
  const Model& model = small_quantized(4);
  Session single(load(model)), batched(load(model, {.shapes = {{"image", {3, 3, 6, 6}}}}));
  std::vector<float> images;
  std::vector<std::byte> wanted;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const auto image = random_values(108, seed);
    images.insert(images.end(), image.begin(), image.end());
    const auto one = outputs_of(single, random_image(seed));
    wanted.insert(wanted.end(), one.begin(), one.end());
  }
  EXPECT_EQ(outputs_of(batched, {{"image", Tensor::of<float>({3, 3, 6, 6}, images)}}), wanted);
}

TEST(Program, PackedFilesAndOtherProfilesRunToo) {
  Session session(load(small_quantized(4))), packed(load(pack(small_quantized(4))));
  EXPECT_EQ(outputs_of(packed, random_image(1)), outputs_of(session, random_image(1)));
  for (const char* target : {"tensorrt", "openvino"}) {
    const Model model = quantized_network(small_model(), random_images(20), 8, 8, target);
    const auto program = load(model);
    size_t convolutions = 0;
    for (const auto& layer : program->layers)
      convolutions += layer->op == "Conv" && !layer->is_float;
    EXPECT_EQ(convolutions, 3u) << target;
    Session native(program);
    const auto ours = floats_of(outputs_of(native, random_image(3)));
    const auto theirs = interpret(prepare(model).graph, random_image(3)).at(0).to_vector<float>();
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], 0.05f) << target;
  }
}

TEST(Program, AFloatNetworkRunsByTheReferenceKernelsAndSaysWhy) {
  const auto program = load(small_model());
  for (const auto& layer : program->layers) {
    EXPECT_TRUE(layer->is_float);
    EXPECT_FALSE(layer->reason.empty());
  }
  Session session(program);
  const auto theirs =
      interpret(prepare(small_model()).graph, random_image(3)).at(0).to_vector<float>();
  EXPECT_EQ(floats_of(outputs_of(session, random_image(3))), theirs);
}

// Large enough for threads, with lines of more codes than are rounded at a time.
TEST(Program, ThreadsShareWhatGoesInAndOut) {
  for (const Shape& shape : {Shape{2, 3, 150, 310}, Shape{310, 900}}) {
    Model model;
    model.opsets[""] = 13;
    SymbolicShape dims;
    for (int64_t dim : shape) dims.push_back(Dim::of(dim));
    model.graph.inputs = {{"image", {DType::kFloat, dims}, {}}};
    model.graph.outputs = {{"y", {DType::kFloat, dims}, {}}};
    model.graph.initializers["s"] = Tensor::scalar<float>(0.02f);
    model.graph.initializers["z"] = Tensor::scalar<uint8_t>(117);
    model.graph.nodes = {
        {.op_type = "QuantizeLinear", .inputs = {"image", "s", "z"}, .outputs = {"q"}},
        {.op_type = "DequantizeLinear", .inputs = {"q", "s", "z"}, .outputs = {"y"}}};
    const Inputs inputs{
        {"image",
         Tensor::of<float>(shape, random_values(static_cast<size_t>(element_count(shape)), 7))}};
    const auto wanted = interpret(prepare(model).graph, inputs).at(0).to_vector<float>();
    const auto program = load(model);
    for (const auto& layer : program->layers) EXPECT_FALSE(layer->is_float) << layer->op;
    for (int threads : {1, 2, 3}) {
      Session session(program, {.threads = threads});
      EXPECT_EQ(floats_of(outputs_of(session, inputs)), wanted) << threads << " threads";
    }
  }
}

TEST(Program, ASiteInFloatLeavesTheRestNative) {
  Model model = small_quantized(8);
  // The logits go through a Softmax that is not quantized.
  model.graph.nodes.push_back({.name = "softmax",
                               .op_type = "Softmax",
                               .inputs = {"logits"},
                               .outputs = {"probabilities"}});
  model.graph.outputs[0].name = "probabilities";
  const auto program = load(model);
  size_t floats = 0;
  for (const auto& layer : program->layers) floats += layer->is_float;
  EXPECT_EQ(floats, 1u);
  EXPECT_EQ(program->layers.back()->op, "Softmax");
  Session session(program);
  float sum = 0;
  for (float p : floats_of(outputs_of(session, random_image(3)))) sum += p;
  EXPECT_NEAR(sum, 1.0f, 1e-5f);
}

TEST(Program, RefusesWhatItCannotPlanFor) {
  Model model = small_quantized(8);
  EXPECT_THAT(message_of([&] {
                load_program(model, {.shapes = {{"image", {1, 3, 1 << 20, 1 << 20}}}});
              }),
              testing::HasSubstr("too large"));
  EXPECT_THAT(message_of([&] {
                load_program(model, {.shapes = {{"image", {1, 4, 6, 6}}}});
              }),
              testing::HasSubstr("stem"));
  Model twice = model;
  twice.graph.outputs.push_back(twice.graph.outputs[0]);
  EXPECT_THAT(message_of([&] { load_program(twice); }), testing::HasSubstr("more than once"));
  Model spare = model;  // 2^62 elements, whose bytes are 0 modulo 2^64, and which nothing reads
  spare.graph.inputs.push_back(
      float_value("spare", {Dim::of(1 << 24), Dim::of(1 << 24), Dim::of(1 << 14)}));
  EXPECT_THAT(message_of([&] { load_program(spare); }), testing::HasSubstr("too large"));
  model.graph.nodes[0].op_type = "Imaginary";
  EXPECT_THAT(message_of([&] { load_program(model); }), testing::HasSubstr("Imaginary"));
}

TEST(Program, AConvolutionHasNoCeilMode) {
  // Its last window would hang past the padding, where kernels do not look.
  Node node = conv_node("stem", "image", "sc");
  node.attributes["ceil_mode"] = int64_t{1};
  node.attributes["strides"] = std::vector<int64_t>{2, 2};
  EXPECT_EQ(window_attributes(node, {3, 3}).resolved(0, 6).output, 3);
  node.op_type = "MaxPool";
  EXPECT_EQ(window_attributes(node, {3, 3}).resolved(0, 6).output, 4);
}

TEST(Program, ARunWithTheWrongBuffersSaysSo) {
  Session session(load(small_quantized(8)));
  EXPECT_FALSE(session.run({}, {}));
  EXPECT_THAT(session.error(), testing::HasSubstr("1 inputs"));
}

}  // namespace
}  // namespace halftone::runtime
