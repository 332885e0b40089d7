#include "halftone/onnx/reader.h"

#include <optional>
#include <set>
#include <utility>

#include "halftone/base/mapped_file.h"
#include "halftone/onnx/subgraph.h"
#include "halftone/onnx/wire.h"

namespace halftone {
namespace onnx {
namespace {

using protozero::data_view;

constexpr int kMaxSubgraphDepth = 32;

Dim read_dim(data_view bytes) {
  Dim dim;
  each_field<DimensionProto>(bytes, [&](auto& m) {
    if (m.tag() == DimensionProto::dim_value)
      dim = {m.get_int64(), {}};
    else if (m.tag() == DimensionProto::dim_param)
      dim = {-1, read_name(m)};
    else
      return false;
    return true;
  });
  if (dim.value < 0) dim.value = -1;
  return dim;
}

ValueType read_tensor_type(data_view bytes) {
  ValueType type;
  each_field<TensorTypeProto>(bytes, [&](auto& m) {
    if (m.tag() == TensorTypeProto::elem_type) {
      type.dtype = static_cast<DType>(m.get_int32());
    } else if (m.tag() == TensorTypeProto::shape) {
      type.shape.emplace();
      each_field<TensorShapeProto>(m.get_view(), [&](auto& shape) {
        if (shape.tag() != TensorShapeProto::dim) return false;
        type.shape->push_back(read_dim(shape.get_view()));
        return true;
      });
    } else {
      return false;
    }
    return true;
  });
  return type;
}

Value read_value(data_view bytes) {
  Value value;
  value.unknown_fields = each_field<ValueInfoProto>(bytes, [&](auto& m) {
    if (m.tag() == ValueInfoProto::name) {
      value.name = read_name(m);
      return true;
    }
    if (m.tag() != ValueInfoProto::type) return false;
    // Looks into a copy, so that the type of a sequence, map or optional stays among the unknown
    // fields.
    auto peek = m;
    each_field<TypeProto>(peek.get_view(), [&](auto& type) {
      if (type.tag() != TypeProto::tensor_type) return false;
      value.type = read_tensor_type(type.get_view());
      return true;
    });
    if (value.type.dtype == DType::kUndefined) return false;
    m.skip();
    return true;
  });
  return value;
}

// Adds the names that a serialised subgraph takes from outside.
void add_captures(data_view graph, std::set<std::string>& captures, int depth) {
  if (depth > kMaxSubgraphDepth)
    throw Error("subgraphs are nested deeper than ", kMaxSubgraphDepth);
  std::set<std::string> used, made;
  each_field<GraphProto>(graph, [&](auto& m) {
    switch (m.tag()) {
      case GraphProto::input:
        made.insert(read_value(m.get_view()).name);
        return true;
      case GraphProto::output:
        used.insert(read_value(m.get_view()).name);
        return true;
      case GraphProto::initializer:
        made.insert(read_tensor(m.get_view(), {}).name);
        return true;
      case GraphProto::node:
        each_field<NodeProto>(m.get_view(), [&](auto& node) {
          if (node.tag() == NodeProto::input)
            used.insert(node.get_string());
          else if (node.tag() == NodeProto::output)
            made.insert(node.get_string());
          else if (node.tag() == NodeProto::attribute)
            each_field<AttributeProto>(node.get_view(), [&](auto& attribute) {
              if (attribute.tag() != AttributeProto::g && attribute.tag() != AttributeProto::graphs)
                return false;
              add_captures(attribute.get_view(), used, depth + 1);
              return true;
            });
          else
            return false;
          return true;
        });
        return true;
      default:
        return false;
    }
  });
  for (const std::string& name : used)
    if (!name.empty() && !made.contains(name)) captures.insert(name);
}

Opaque read_opaque(data_view bytes) {
  std::set<std::string> captures;
  each_field<AttributeProto>(bytes, [&](auto& m) {
    if (m.tag() != AttributeProto::g && m.tag() != AttributeProto::graphs) return false;
    add_captures(m.get_view(), captures, 0);
    return true;
  });
  return {std::string(bytes.data(), bytes.size()), {captures.begin(), captures.end()}};
}

std::pair<std::string, Attribute> read_attribute(data_view bytes, const Source& source) {
  std::string name, string;
  int type = 0;
  float f = 0;
  int64_t i = 0;
  Tensor tensor;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  each_field<AttributeProto>(bytes, [&](auto& m) {
    switch (m.tag()) {
      case AttributeProto::name:
        name = read_name(m);
        return true;
      case AttributeProto::type:
        type = m.get_int32();
        return true;
      case AttributeProto::f:
        f = m.get_float();
        return true;
      case AttributeProto::i:
        i = m.get_int64();
        return true;
      case AttributeProto::s:
        string = m.get_string();
        return true;
      case AttributeProto::t:
        tensor = read_tensor(m.get_view(), source).tensor;
        return true;
      case AttributeProto::floats:
        append_numbers(
            floats, m, [](auto& x) { return x.get_packed_float(); },
            [](auto& x) { return x.get_float(); });
        return true;
      case AttributeProto::ints:
        append_numbers(
            ints, m, [](auto& x) { return x.get_packed_int64(); },
            [](auto& x) { return x.get_int64(); });
        return true;
      case AttributeProto::strings:
        strings.push_back(m.get_string());
        return true;
      default:
        return false;
    }
  });
  switch (static_cast<AttributeType>(type)) {
    case AttributeType::FLOAT:
      return {name, f};
    case AttributeType::INT:
      return {name, i};
    case AttributeType::STRING:
      return {name, std::move(string)};
    case AttributeType::TENSOR:
      return {name, std::move(tensor)};
    case AttributeType::FLOATS:
      return {name, std::move(floats)};
    case AttributeType::INTS:
      return {name, std::move(ints)};
    case AttributeType::STRINGS:
      return {name, std::move(strings)};
    default:
      return {name, read_opaque(bytes)};
  }
}

Node read_node(data_view bytes, const Source& source) {
  Node node;
  node.unknown_fields = each_field<NodeProto>(bytes, [&](auto& m) {
    switch (m.tag()) {
      case NodeProto::input:
        node.inputs.push_back(read_name(m));
        return true;
      case NodeProto::output:
        node.outputs.push_back(read_name(m));
        return true;
      case NodeProto::name:
        node.name = read_name(m);
        return true;
      case NodeProto::op_type:
        node.op_type = read_name(m);
        return true;
      case NodeProto::domain:
        node.domain = read_name(m);
        return true;
      case NodeProto::attribute:
        node.attributes.insert(read_attribute(m.get_view(), source));
        return true;
      default:
        return false;
    }
  });
  if (node.domain == "ai.onnx") node.domain.clear();
  return node;
}

// The nodes as they stand, not yet sorted.
Graph read_graph(data_view bytes, const Source& source) {
  Graph graph;
  graph.unknown_fields = each_field<GraphProto>(bytes, [&](auto& m) {
    switch (m.tag()) {
      case GraphProto::name:
        graph.name = read_name(m);
        return true;
      case GraphProto::node:
        graph.nodes.push_back(read_node(m.get_view(), source));
        return true;
      case GraphProto::initializer: {
        auto [name, tensor] = read_tensor(m.get_view(), source);
        if (!graph.initializers.emplace(name, std::move(tensor)).second)
          throw Error("two initializers are called '", name, "'");
        return true;
      }
      case GraphProto::input:
        graph.inputs.push_back(read_value(m.get_view()));
        return true;
      case GraphProto::output:
        graph.outputs.push_back(read_value(m.get_view()));
        return true;
      case GraphProto::value_info: {
        auto peek = m;
        const Value value = read_value(peek.get_view());
        if (value.type.dtype == DType::kUndefined) return false;
        graph.value_types[value.name] = value.type;
        m.skip();
        return true;
      }
      case GraphProto::sparse_initializer:
        throw Error("sparse initializers are not supported");
      default:
        return false;
    }
  });
  return graph;
}

std::pair<std::string, std::string> read_entry(data_view bytes) {
  std::pair<std::string, std::string> entry;
  each_field<StringStringEntryProto>(bytes, [&](auto& m) {
    if (m.tag() == StringStringEntryProto::key)
      entry.first = m.get_string();
    else if (m.tag() == StringStringEntryProto::value)
      entry.second = m.get_string();
    else
      return false;
    return true;
  });
  return entry;
}

std::pair<std::string, int64_t> read_opset(data_view bytes) {
  std::pair<std::string, int64_t> opset;
  each_field<OperatorSetIdProto>(bytes, [&](auto& m) {
    if (m.tag() == OperatorSetIdProto::domain)
      opset.first = read_name(m);
    else if (m.tag() == OperatorSetIdProto::version)
      opset.second = m.get_int64();
    else
      return false;
    return true;
  });
  if (opset.first == "ai.onnx") opset.first.clear();
  return opset;
}

Model read_model_message(data_view bytes, const Source& source) {
  Model model;
  model.ir_version = 0;
  model.opsets.clear();
  bool has_graph = false;
  model.unknown_fields = each_field<ModelProto>(bytes, [&](auto& m) {
    switch (m.tag()) {
      case ModelProto::ir_version:
        model.ir_version = m.get_int64();
        return true;
      case ModelProto::producer_name:
        model.producer_name = m.get_string();
        return true;
      case ModelProto::producer_version:
        model.producer_version = m.get_string();
        return true;
      case ModelProto::opset_import:
        model.opsets.insert(read_opset(m.get_view()));
        return true;
      case ModelProto::metadata_props:
        model.metadata.push_back(read_entry(m.get_view()));
        return true;
      case ModelProto::graph:
        if (std::exchange(has_graph, true)) throw Error("it has two graphs");
        model.graph = read_graph(m.get_view(), source);
        sort_topologically(model.graph);
        return true;
      default:
        return false;
    }
  });
  if (!has_graph) throw Error("it holds no graph: is it an ONNX model?");
  return model;
}

// Runs `parse`, with what goes wrong in the wire format said in words.
template <typename Parse>
auto reading(const std::string& what, const Parse& parse) {
  try {
    return parse();
  } catch (const protozero::exception&) {
    throw Error("reading ", what, ": it is truncated or not ONNX");
  } catch (const Error& error) {
    throw Error("reading ", what, ": ", error.what());
  }
}

data_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace
}  // namespace onnx

Model parse_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                  const std::filesystem::path& folder) {
  return onnx::reading("the model", [&] {
    return onnx::read_model_message(onnx::view_of(bytes), {std::move(owner), folder});
  });
}

Model read_model(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  return onnx::reading(text("'", path.string(), "'"), [&] {
    return onnx::read_model_message(onnx::view_of(file->bytes()), {file, folder});
  });
}

Graph subgraph_of(const Node& node, const std::string& attribute) {
  const auto found = node.attributes.find(attribute);
  const auto* opaque =
      found == node.attributes.end() ? nullptr : std::get_if<Opaque>(&found->second);
  if (!opaque) throw Error(node.label(), ": it has no subgraph '", attribute, "'");
  return onnx::reading(text("the subgraph '", attribute, "' of ", node.label()), [&] {
    std::optional<Graph> graph;
    const auto owner = std::make_shared<const std::string>(opaque->bytes);
    onnx::each_field<onnx::AttributeProto>(
        onnx::data_view(owner->data(), owner->size()), [&](auto& m) {
          if (m.tag() != onnx::AttributeProto::g) return false;
          graph = onnx::read_graph(m.get_view(),
                                   {owner, {}});  // in order: the specification asks for it
          return true;
        });
    if (!graph) throw Error("it holds no graph");
    return *graph;
  });
}

Tensor read_tensor_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return onnx::reading(text("'", path.string(), "'"), [&] {
    return onnx::read_tensor(onnx::view_of(file->bytes()), {file, {}}).tensor;
  });
}

}  // namespace halftone
