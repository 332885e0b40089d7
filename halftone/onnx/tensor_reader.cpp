#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "halftone/base/mapped_file.h"
#include "halftone/onnx/wire.h"

namespace halftone::onnx {
namespace {

using Message = protozero::pbf_message<TensorProto>;

// A TensorProto as it stands in the file, before its data is brought into one form.
struct RawTensor {
  std::string name;
  Shape dims;
  int32_t data_type = 0;
  std::optional<protozero::data_view> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int32_t> int32s;
  std::vector<int64_t> int64s;
  std::vector<uint64_t> uint64s;
  std::vector<std::string> strings;
  std::map<std::string, std::string> external;
  bool is_external = false;
};

void read_external_entry(protozero::data_view bytes, std::map<std::string, std::string>& entries) {
  std::string key, value;
  each_field<StringStringEntryProto>(bytes, [&](auto& message) {
    if (message.tag() == StringStringEntryProto::key)
      key = message.get_string();
    else if (message.tag() == StringStringEntryProto::value)
      value = message.get_string();
    else
      return false;
    return true;
  });
  entries[key] = value;
}

bool read_field(Message& m, RawTensor& t) {
  switch (m.tag()) {
    case TensorProto::dims:
      append_numbers(
          t.dims, m, [](auto& x) { return x.get_packed_int64(); },
          [](auto& x) { return x.get_int64(); });
      return true;
    case TensorProto::float_data:
      append_numbers(
          t.floats, m, [](auto& x) { return x.get_packed_float(); },
          [](auto& x) { return x.get_float(); });
      return true;
    case TensorProto::double_data:
      append_numbers(
          t.doubles, m, [](auto& x) { return x.get_packed_double(); },
          [](auto& x) { return x.get_double(); });
      return true;
    case TensorProto::int32_data:
      append_numbers(
          t.int32s, m, [](auto& x) { return x.get_packed_int32(); },
          [](auto& x) { return x.get_int32(); });
      return true;
    case TensorProto::int64_data:
      append_numbers(
          t.int64s, m, [](auto& x) { return x.get_packed_int64(); },
          [](auto& x) { return x.get_int64(); });
      return true;
    case TensorProto::uint64_data:
      append_numbers(
          t.uint64s, m, [](auto& x) { return x.get_packed_uint64(); },
          [](auto& x) { return x.get_uint64(); });
      return true;
    case TensorProto::string_data:
      t.strings.push_back(m.get_string());
      return true;
    case TensorProto::data_type:
      t.data_type = m.get_int32();
      return true;
    case TensorProto::name:
      t.name = read_name(m);
      return true;
    case TensorProto::raw_data:
      t.raw = m.get_view();
      return true;
    case TensorProto::external_data:
      read_external_entry(m.get_view(), t.external);
      return true;
    case TensorProto::data_location:
      t.is_external = m.get_int32() == 1;
      return true;
    case TensorProto::segment:
      throw Error("it is stored in segments, which no known writer makes");
    default:
      return false;
  }
}

template <typename T>
std::vector<std::byte> bytes_of_values(const std::vector<T>& values) {
  const auto view = std::as_bytes(std::span(values));
  return {view.begin(), view.end()};
}

// The low `width` bytes of each number.
template <typename T>
std::vector<std::byte> low_bytes(const std::vector<T>& values, size_t width) {
  std::vector<std::byte> result(values.size() * width);
  for (size_t i = 0; i < values.size(); ++i)
    std::memcpy(result.data() + i * width, &values[i], width);
  return result;
}

// The typed data fields in raw_data's layout. Below 8 bits an entry of int32_data is one byte with
// several elements.
std::vector<std::byte> typed_bytes(const RawTensor& raw, DType dtype) {
  switch (dtype) {
    case DType::kFloat:
    case DType::kComplex64:
      return bytes_of_values(raw.floats);
    case DType::kDouble:
    case DType::kComplex128:
      return bytes_of_values(raw.doubles);
    case DType::kInt64:
      return bytes_of_values(raw.int64s);
    case DType::kUint64:
      return bytes_of_values(raw.uint64s);
    case DType::kUint32:
      return low_bytes(raw.uint64s, 4);
    default:
      return low_bytes(raw.int32s, std::max<size_t>(1, static_cast<size_t>(bits_of(dtype)) / 8));
  }
}

uint64_t parse_number(const std::map<std::string, std::string>& entries, const std::string& key,
                      uint64_t fallback) {
  const auto found = entries.find(key);
  if (found == entries.end()) return fallback;
  const std::string& digits = found->second;
  if (digits.empty() || digits.size() > 18 ||
      !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
    throw Error("its external data has the ", key, " '", digits, "'");
  return std::stoull(digits);
}

// External data must lie in the model's folder, reached without a link.
std::filesystem::path external_path(const RawTensor& raw, const std::filesystem::path& folder) {
  const auto found = raw.external.find("location");
  if (found == raw.external.end() || found->second.empty())
    throw Error("its external data has no location");
  if (folder.empty()) throw Error("it has external data, which is not read here");
  const std::filesystem::path relative = found->second;
  const bool climbs = std::ranges::any_of(relative, [](const auto& part) { return part == ".."; });
  if (relative.is_absolute() || climbs)
    throw Error("its external data '", found->second, "' lies outside the model's folder");
  std::filesystem::path path = folder;
  for (const auto& part : relative) {
    path /= part;
    if (std::filesystem::is_symlink(path))
      throw Error("its external data '", found->second, "' is reached by a link");
  }
  return path;
}

Tensor external_tensor(const RawTensor& raw, DType dtype, const Source& source) {
  const auto file = MappedFile::open(external_path(raw, source.folder));
  const uint64_t size = file->bytes().size();
  const uint64_t offset = parse_number(raw.external, "offset", 0);
  if (offset > size) throw Error("its external data starts at ", offset, " of ", size, " bytes");
  const uint64_t length = parse_number(raw.external, "length", size - offset);
  if (length > size - offset)
    throw Error("its external data ends at ", offset + length, " of ", size,
                " bytes: the file is truncated");
  return Tensor(dtype, raw.dims, file->bytes().subspan(offset, length), file);
}

}  // namespace

NamedTensor read_tensor(protozero::data_view bytes, const Source& source) {
  RawTensor raw;
  try {
    each_field<TensorProto>(bytes, [&](Message& message) { return read_field(message, raw); });
    const auto dtype = static_cast<DType>(raw.data_type);
    if (bits_of(dtype) == 0 && dtype != DType::kString)
      throw Error("its type is ", raw.data_type, ", which is not known");
    element_count(raw.dims);
    if (dtype == DType::kString)
      return {raw.name, Tensor::of_strings(raw.dims, std::move(raw.strings))};
    if (raw.is_external) return {raw.name, external_tensor(raw, dtype, source)};
    if (raw.raw) {
      const auto view = std::as_bytes(std::span(raw.raw->data(), raw.raw->size()));
      return {raw.name, Tensor(dtype, raw.dims, view, source.owner)};
    }
    return {raw.name, Tensor::from_bytes(dtype, raw.dims, typed_bytes(raw, dtype))};
  } catch (const Error& error) {
    throw Error("tensor '", raw.name, "': ", error.what());
  }
}

}  // namespace halftone::onnx
