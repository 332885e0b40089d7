#include "halftone/onnx/writer.h"

#include <optional>
#include <protozero/pbf_builder.hpp>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "halftone/base/atomic_file.h"
#include "halftone/onnx/fields.h"
#include "halftone/onnx/subgraph.h"

namespace halftone {
namespace onnx {
namespace {

// A message as pieces: own bytes, and weights that stay where they are.
class Rope {
 public:
  void add(std::string bytes) {
    size_ += bytes.size();
    pieces_.emplace_back(std::move(bytes));
  }
  void add_view(std::span<const std::byte> bytes) {
    size_ += bytes.size();
    pieces_.emplace_back(bytes);
  }
  uint64_t size() const { return size_; }

  template <typename Sink>
  void send(const Sink& sink) const {
    for (const auto& piece : pieces_)
      std::visit([&](const auto& bytes) { sink(std::as_bytes(std::span(bytes))); }, piece);
  }

 private:
  std::vector<std::variant<std::string, std::span<const std::byte>>> pieces_;
  uint64_t size_ = 0;
};

// The tag and length that stand before a nested message.
template <typename Fields>
std::string message_head(Fields field, uint64_t length) {
  std::string head;
  const auto tag = static_cast<uint32_t>(field);
  protozero::add_varint_to_buffer(
      &head, (tag << 3) | static_cast<uint32_t>(protozero::pbf_wire_type::length_delimited));
  protozero::add_varint_to_buffer(&head, length);
  return head;
}

struct ExternalPlace {
  std::string file;
  uint64_t offset;
};

// A TensorProto up to its raw data, which follows as its last field.
std::string tensor_head(const std::string& name, const Tensor& tensor,
                        const std::optional<ExternalPlace>& external) {
  std::string head;
  protozero::pbf_builder<TensorProto> m{head};
  if (!tensor.shape().empty())
    m.add_packed_int64(TensorProto::dims, tensor.shape().begin(), tensor.shape().end());
  m.add_int32(TensorProto::data_type, static_cast<int32_t>(tensor.dtype()));
  if (!name.empty()) m.add_string(TensorProto::name, name);
  if (tensor.dtype() == DType::kString) {
    for (const std::string& value : tensor.strings()) m.add_bytes(TensorProto::string_data, value);
  } else if (external) {
    const std::pair<const char*, std::string> entries[] = {
        {"location", external->file},
        {"offset", std::to_string(external->offset)},
        {"length", std::to_string(tensor.bytes().size())}};
    for (const auto& [key, value] : entries) {
      protozero::pbf_builder<StringStringEntryProto> entry{m, TensorProto::external_data};
      entry.add_string(StringStringEntryProto::key, key);
      entry.add_string(StringStringEntryProto::value, value);
    }
    m.add_int32(TensorProto::data_location, 1);
  } else {
    head += message_head(TensorProto::raw_data, tensor.bytes().size());
  }
  return head;
}

bool has_raw_data(const Tensor& tensor) { return tensor.dtype() != DType::kString; }

std::string whole_tensor(const Tensor& tensor) {
  std::string bytes = tensor_head("", tensor, std::nullopt);
  if (has_raw_data(tensor))
    bytes.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
  return bytes;
}

struct AttributeWriter {
  protozero::pbf_builder<AttributeProto>& m;
  void type(AttributeType value) { m.add_int32(AttributeProto::type, static_cast<int32_t>(value)); }

  void operator()(float value) {
    m.add_float(AttributeProto::f, value);
    type(AttributeType::FLOAT);
  }
  void operator()(int64_t value) {
    m.add_int64(AttributeProto::i, value);
    type(AttributeType::INT);
  }
  void operator()(const std::string& value) {
    m.add_bytes(AttributeProto::s, value);
    type(AttributeType::STRING);
  }
  void operator()(const Tensor& value) {
    m.add_message(AttributeProto::t, whole_tensor(value));
    type(AttributeType::TENSOR);
  }
  void operator()(const std::vector<float>& values) {
    for (float value : values) m.add_float(AttributeProto::floats, value);
    type(AttributeType::FLOATS);
  }
  void operator()(const std::vector<int64_t>& values) {
    for (int64_t value : values) m.add_int64(AttributeProto::ints, value);
    type(AttributeType::INTS);
  }
  void operator()(const std::vector<std::string>& values) {
    for (const std::string& value : values) m.add_bytes(AttributeProto::strings, value);
    type(AttributeType::STRINGS);
  }
  void operator()(const Opaque&) {}  // written whole by node_bytes()
};

std::string node_bytes(const Node& node) {
  std::string bytes;
  protozero::pbf_builder<NodeProto> m{bytes};
  for (const std::string& input : node.inputs) m.add_string(NodeProto::input, input);
  for (const std::string& output : node.outputs) m.add_string(NodeProto::output, output);
  if (!node.name.empty()) m.add_string(NodeProto::name, node.name);
  m.add_string(NodeProto::op_type, node.op_type);
  for (const auto& [name, value] : node.attributes) {
    if (const auto* opaque = std::get_if<Opaque>(&value)) {
      m.add_message(NodeProto::attribute, opaque->bytes);
      continue;
    }
    protozero::pbf_builder<AttributeProto> attribute{m, NodeProto::attribute};
    attribute.add_string(AttributeProto::name, name);
    std::visit(AttributeWriter{attribute}, value);
  }
  if (!node.domain.empty()) m.add_string(NodeProto::domain, node.domain);
  bytes += node.unknown_fields;
  return bytes;
}

// protozero drops nested messages that stay empty, but an empty shape (a scalar) and an empty
// dimension (unknown) mean something: messages here are built apart and added whole.
std::string shape_bytes(const SymbolicShape& dims) {
  std::string bytes;
  protozero::pbf_builder<TensorShapeProto> shape{bytes};
  for (const Dim& dim : dims) {
    std::string dim_bytes;
    protozero::pbf_builder<DimensionProto> d{dim_bytes};
    if (dim.known())
      d.add_int64(DimensionProto::dim_value, dim.value);
    else if (!dim.symbol.empty())
      d.add_string(DimensionProto::dim_param, dim.symbol);
    shape.add_message(TensorShapeProto::dim, dim_bytes);
  }
  return bytes;
}

std::string value_bytes(const std::string& name, const ValueType& type,
                        const std::string& unknown) {
  std::string bytes;
  protozero::pbf_builder<ValueInfoProto> m{bytes};
  m.add_string(ValueInfoProto::name, name);
  if (type.dtype != DType::kUndefined) {
    std::string tensor_bytes;
    protozero::pbf_builder<TensorTypeProto> tensor{tensor_bytes};
    tensor.add_int32(TensorTypeProto::elem_type, static_cast<int32_t>(type.dtype));
    if (type.shape) tensor.add_message(TensorTypeProto::shape, shape_bytes(*type.shape));
    protozero::pbf_builder<TypeProto> type_message{m, ValueInfoProto::type};
    type_message.add_message(TypeProto::tensor_type, tensor_bytes);
  }
  bytes += unknown;
  return bytes;
}

constexpr uint64_t kAlignment = 4096;
uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

Rope graph_rope(const Graph& graph, const std::optional<std::string>& external_file) {
  std::string small;
  protozero::pbf_builder<GraphProto> m{small};
  for (const Node& node : graph.nodes) m.add_message(GraphProto::node, node_bytes(node));
  m.add_string(GraphProto::name, graph.name.empty() ? "graph" : graph.name);
  for (const Value& value : graph.inputs)
    m.add_message(GraphProto::input, value_bytes(value.name, value.type, value.unknown_fields));
  for (const Value& value : graph.outputs)
    m.add_message(GraphProto::output, value_bytes(value.name, value.type, value.unknown_fields));
  for (const auto& [name, type] : graph.value_types)
    if (type.dtype != DType::kUndefined)
      m.add_message(GraphProto::value_info, value_bytes(name, type, {}));
  small += graph.unknown_fields;

  Rope rope;
  rope.add(std::move(small));
  uint64_t offset = 0;
  for (const auto& [name, tensor] : graph.initializers) {
    std::optional<ExternalPlace> place;
    if (external_file && has_raw_data(tensor)) {
      place = ExternalPlace{*external_file, offset};
      offset = aligned(offset + tensor.bytes().size());
    }
    std::string head = tensor_head(name, tensor, place);
    const bool inlined = has_raw_data(tensor) && !place;
    const uint64_t length = head.size() + (inlined ? tensor.bytes().size() : 0);
    rope.add(message_head(GraphProto::initializer, length) + head);
    if (inlined) rope.add_view(tensor.bytes());
  }
  return rope;
}

// The model as the bytes before its graph and the graph itself.
std::pair<std::string, Rope> model_parts(const Model& model,
                                         const std::optional<std::string>& external_file) {
  Rope graph = graph_rope(model.graph, external_file);
  std::string head;
  protozero::pbf_builder<ModelProto> m{head};
  m.add_int64(ModelProto::ir_version, model.ir_version);
  if (!model.producer_name.empty()) m.add_string(ModelProto::producer_name, model.producer_name);
  if (!model.producer_version.empty())
    m.add_string(ModelProto::producer_version, model.producer_version);
  for (const auto& [domain, version] : model.opsets) {
    protozero::pbf_builder<OperatorSetIdProto> opset{m, ModelProto::opset_import};
    opset.add_string(OperatorSetIdProto::domain, domain);
    opset.add_int64(OperatorSetIdProto::version, version);
  }
  for (const auto& [key, value] : model.metadata) {
    protozero::pbf_builder<StringStringEntryProto> entry{m, ModelProto::metadata_props};
    entry.add_string(StringStringEntryProto::key, key);
    entry.add_string(StringStringEntryProto::value, value);
  }
  head += model.unknown_fields;
  head += message_head(ModelProto::graph, graph.size());
  return {std::move(head), std::move(graph)};
}

uint64_t write_external(const Graph& graph, const std::filesystem::path& path) {
  AtomicFile file(path);
  for (const auto& [name, tensor] : graph.initializers) {
    if (!has_raw_data(tensor)) continue;
    const std::string padding(aligned(file.size_bytes()) - file.size_bytes(), '\0');
    file.write(padding);
    file.write(tensor.bytes());
  }
  file.commit();
  return file.size_bytes();
}

}  // namespace
}  // namespace onnx

uint64_t write_model(const Model& model, const std::filesystem::path& path,
                     const WriteOptions& options) {
  uint64_t weights = 0;
  for (const auto& [name, tensor] : model.graph.initializers) weights += tensor.bytes().size();
  std::optional<std::string> external_file;
  uint64_t total = 0;
  if (weights > options.external_above_bytes) {
    external_file = path.filename().string() + ".data";
    total += onnx::write_external(model.graph, path.parent_path() / *external_file);
  }
  const auto [head, graph] = onnx::model_parts(model, external_file);
  AtomicFile file(path);
  file.write(head);
  graph.send([&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
  return total + file.size_bytes();
}

void set_subgraph(Node& node, const std::string& attribute, const Graph& graph) {
  const auto found = node.attributes.find(attribute);
  auto* opaque = found == node.attributes.end() ? nullptr : std::get_if<Opaque>(&found->second);
  if (!opaque) throw Error(node.label(), ": it has no subgraph '", attribute, "'");
  std::string body;
  onnx::graph_rope(graph, std::nullopt).send([&](std::span<const std::byte> piece) {
    body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  std::string bytes;
  protozero::pbf_builder<onnx::AttributeProto> m{bytes};
  m.add_string(onnx::AttributeProto::name, attribute);
  m.add_message(onnx::AttributeProto::g, body);
  m.add_int32(onnx::AttributeProto::type, static_cast<int32_t>(onnx::AttributeType::GRAPH));
  opaque->bytes = std::move(bytes);
}

std::string serialize_model(const Model& model) {
  auto [bytes, graph] = onnx::model_parts(model, std::nullopt);
  graph.send([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return bytes;
}

}  // namespace halftone
