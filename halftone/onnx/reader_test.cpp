#include "halftone/onnx/reader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "halftone/base/rng.h"
#include "halftone/onnx/writer.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

// One initializer of every type that a file can hold.
Model every_type() {
  Model model;
  Rng rng(1);
  for (int number = 1; number <= 26; ++number) {
    const auto dtype = static_cast<DType>(number);
    const std::string name = "t" + std::to_string(number);
    if (dtype == DType::kString) {
      model.graph.initializers[name] = Tensor::of_strings({2}, {"a", ""});
    } else {
      std::vector<std::byte> bytes(bytes_of(dtype, 5));
      for (std::byte& b : bytes) b = static_cast<std::byte>(rng.below(256));
      if (bits_of(dtype) < 8) bytes.back() &= std::byte{3};
      model.graph.initializers[name] = Tensor::from_bytes(dtype, {5}, std::move(bytes));
    }
  }
  model.graph.inputs = {{"x", {DType::kFloat, SymbolicShape{{-1, "batch"}, Dim::of(3), {}}}, {}}};
  model.graph.outputs = {{"y", {DType::kFloat, std::nullopt}, {}}};
  model.graph.nodes = {{.name = "odd",
                        .op_type = "Unheard",
                        .domain = "com.example",
                        .inputs = {"x", "", "t1"},
                        .outputs = {"y"},
                        .attributes = {{"f", 1.5f},
                                       {"i", int64_t{-3}},
                                       {"s", std::string("text")},
                                       {"fs", std::vector<float>{1, 2}},
                                       {"is", std::vector<int64_t>{-1, 1}},
                                       {"ss", std::vector<std::string>{"a", "b"}},
                                       {"t", Tensor::of<int32_t>({2}, {1, 2})}}}};
  model.set_metadata("key", "value");
  return model;
}

Model parse(const std::string& bytes) {
  auto owner = std::make_shared<const std::string>(bytes);
  return parse_model(std::as_bytes(std::span(*owner)), owner);
}

TEST(Reader, ReadsBackEveryTypeAndAttribute) {
  const Model model = every_type();
  const std::string bytes = serialize_model(model);
  const Model again = parse(bytes);
  EXPECT_EQ(again.graph.initializers, model.graph.initializers);
  EXPECT_EQ(again.graph.nodes[0].attributes, model.graph.nodes[0].attributes);
  EXPECT_EQ(again.graph.inputs[0].type, model.graph.inputs[0].type);
  EXPECT_EQ(again.metadata, model.metadata);
  EXPECT_EQ(serialize_model(again), bytes);
}

TEST(Reader, KeepsFieldsThatItDoesNotKnow) {
  std::string bytes = serialize_model(every_type());
  bytes += std::string("\xa2\x06\x03", 3) + "abc";  // field 100, three bytes
  const std::string again = serialize_model(parse(bytes));
  EXPECT_NE(again.find("\xa2\x06\x03"
                       "abc"),
            std::string::npos);
}

TEST(Reader, TruncationAtEveryByteIsAnErrorOrAModel) {
  const std::string bytes = serialize_model(every_type());
  size_t errors = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    try {
      parse(bytes.substr(0, length));
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "");
      ++errors;
    }
  }
  EXPECT_GT(errors, bytes.size() * 9 / 10);
}

TEST(Reader, MutationsNeverCrash) {
  const std::string bytes = serialize_model(every_type());
  Rng rng(7);
  for (int round = 0; round < 3000; ++round) {
    std::string broken = bytes;
    for (int k = 0; k < 4; ++k)
      broken[rng.below(broken.size())] = static_cast<char>(rng.below(256));
    try {
      parse(broken);
    } catch (const Error&) {
    }
  }
}

TEST(Reader, RefusesCyclesAndNamesMadeTwiceOrByNothing) {
  auto with_nodes = [](std::vector<Node> nodes) {
    Model model;
    model.graph.inputs = {{"x", {DType::kFloat, SymbolicShape{}}, {}}};
    model.graph.outputs = {{"y", {DType::kFloat, SymbolicShape{}}, {}}};
    model.graph.nodes = std::move(nodes);
    return serialize_model(model);
  };
  auto node = [](const std::string& in, const std::string& out) {
    return Node{.name = out, .op_type = "Relu", .inputs = {in}, .outputs = {out}};
  };
  EXPECT_THROW(parse(with_nodes({node("y", "a"), node("a", "y")})), Error);
  EXPECT_THROW(parse(with_nodes({node("x", "y"), node("x", "y")})), Error);
  EXPECT_THROW(parse(with_nodes({node("ghost", "y")})), Error);
  EXPECT_EQ(parse(with_nodes({node("a", "y"), node("x", "a")})).graph.nodes[0].outputs[0], "a")
      << "sorted";
}

TEST(Writer, LargeWeightsGoToAnAlignedExternalFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.onnx";
  const Model model = every_type();
  write_model(model, path, {.external_above_bytes = 10});
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "model.onnx.data"));
  const Model again = read_model(path);
  EXPECT_EQ(again.graph.initializers, model.graph.initializers);
  std::filesystem::resize_file(folder.path() / "model.onnx.data", 4100);
  EXPECT_THROW(read_model(path), Error) << "truncated external data";
}

TEST(Writer, LeavesTheOldFileWhereWritingFails) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_model(every_type(), folder.path() / "no/such/out.onnx"), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Reader, ExternalDataStaysInTheModelsFolder) {
  const TemporaryFolder folder;
  Model model = every_type();
  write_model(model, folder.path() / "in.onnx", {.external_above_bytes = 10});
  std::ifstream file(folder.path() / "in.onnx", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  for (size_t at = bytes.find("in.onnx.data"); at != std::string::npos;
       at = bytes.find("in.onnx.data", at + 1))
    bytes.replace(at, 12, "../../passwd");
  std::ofstream(folder.path() / "evil.onnx", std::ios::binary) << bytes;
  try {
    read_model(folder.path() / "evil.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("outside"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace halftone
