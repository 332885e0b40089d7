#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "halftone/base/error.h"
#include "halftone/data/npy.h"

namespace halftone {
namespace {

// The Python literal of a header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Literal {
 public:
  Literal(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  [[noreturn]] void fail() const {
    throw Error("array '", name_, "': the .npy header is malformed");
  }

  // Takes `token` where it comes next.
  bool accept(std::string_view token) {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail();
  }
  std::string_view quoted() {
    const char quote = accept("'") ? '\'' : accept("\"") ? '"' : '\0';
    const size_t end = quote ? rest_.find(quote) : std::string_view::npos;
    if (end == std::string_view::npos) fail();
    const std::string_view inside = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return inside;
  }
  int64_t whole_number() {
    accept("");
    int64_t value = -1;
    const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (parsed.ec != std::errc() || value < 0) fail();
    rest_.remove_prefix(static_cast<size_t>(parsed.ptr - rest_.data()));
    accept("L");  // Python 2
    return value;
  }
  Shape tuple() {
    constexpr size_t kMostAxes = 64;  // numpy's own limit
    Shape shape;
    expect("(");
    while (!accept(")")) {
      if (shape.size() == kMostAxes) fail();
      shape.push_back(whole_number());
      if (accept(",")) continue;
      expect(")");
      break;
    }
    return shape;
  }

 private:
  std::string_view rest_;
  const std::string& name_;
};

struct KnownType {
  std::string_view text;
  DType dtype;
};
constexpr std::array<KnownType, 12> kKnownTypes{{{"f2", DType::kFloat16},
                                                 {"f4", DType::kFloat},
                                                 {"f8", DType::kDouble},
                                                 {"i1", DType::kInt8},
                                                 {"i2", DType::kInt16},
                                                 {"i4", DType::kInt32},
                                                 {"i8", DType::kInt64},
                                                 {"u1", DType::kUint8},
                                                 {"u2", DType::kUint16},
                                                 {"u4", DType::kUint32},
                                                 {"u8", DType::kUint64},
                                                 {"b1", DType::kBool}}};

DType parse_descr(std::string_view descr, const std::string& name) {
  if (descr.size() == 3) {
    for (const KnownType& known : kKnownTypes) {
      if (descr.substr(1) != known.text) continue;
      if (descr[0] == '<' || descr[0] == '|' || descr[0] == '=' || descr[2] == '1')
        return known.dtype;
      throw Error("array '", name, "' is big-endian (", descr, "); save it with .astype('<",
                  known.text, "')");
    }
  }
  throw Error("array '", name, "' has the type '", descr,
              "', which is not read; known are f2 f4 f8, i1 i2 i4 i8, ", "u1 u2 u4 u8 and b1");
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> start, const std::string& name) {
  const std::string_view bytes(reinterpret_cast<const char*>(start.data()), start.size());
  if (!bytes.starts_with("\x93NUMPY") || bytes.size() < 10)
    throw Error("array '", name, "' does not start like .npy");
  const auto byte = [&](size_t i) { return static_cast<uint64_t>(start[i]); };
  const uint64_t version = byte(6);
  if (version < 1 || version > 3)
    throw Error("array '", name, "' has .npy version ", version, "; 1 to 3 are read");
  const size_t length_bytes = version == 1 ? 2 : 4;
  uint64_t length = 0;
  if (bytes.size() < 8 + length_bytes)
    throw Error("array '", name, "': the .npy header is cut short");
  for (size_t i = length_bytes; i-- > 0;) length = length << 8 | byte(8 + i);
  NpyHeader header;
  header.data_offset = 8 + length_bytes + length;
  if (header.data_offset > bytes.size())
    throw Error("array '", name, "': the .npy header is cut short (or longer than ",
                kNpyHeaderBytes, " bytes)");

  Literal literal(bytes.substr(8 + length_bytes, length), name);
  bool is_fortran = false;
  bool has_shape = false;
  literal.expect("{");
  while (!literal.accept("}")) {
    const std::string_view key = literal.quoted();
    literal.expect(":");
    if (key == "descr") {
      header.dtype = parse_descr(literal.quoted(), name);
    } else if (key == "fortran_order") {
      is_fortran = literal.accept("True");
      if (!is_fortran) literal.expect("False");
    } else if (key == "shape") {
      header.shape = literal.tuple();
      has_shape = true;
    } else {
      literal.fail();
    }
    if (!literal.accept(",")) {
      literal.expect("}");
      break;
    }
  }
  if (!has_shape || header.dtype == DType::kUndefined) literal.fail();
  if (is_fortran && header.shape.size() > 1)
    throw Error("array '", name,
                "' is in Fortran order, whose rows are scattered; save np.ascontiguousarray(it)");
  return header;
}

std::string make_npy_header(DType dtype, const Shape& shape) {
  for (const KnownType& known : kKnownTypes) {
    if (known.dtype != dtype) continue;
    std::string dims;
    for (int64_t dim : shape) dims += std::to_string(dim) + (shape.size() == 1 ? "," : ", ");
    if (shape.size() > 1) dims.resize(dims.size() - 2);
    std::string dict = text("{'descr': '", known.text[1] == '1' ? "|" : "<", known.text,
                            "', 'fortran_order': False, 'shape': (", dims, "), }");
    while ((10 + dict.size() + 1) % 64 != 0) dict += ' ';
    dict += '\n';
    const std::string length{static_cast<char>(dict.size() & 255),
                             static_cast<char>(dict.size() >> 8)};
    return std::string("\x93NUMPY\x01\x00", 8) + length + dict;
  }
  throw Error("writing .npy: numpy has no type ", name_of(dtype));
}

}  // namespace halftone
