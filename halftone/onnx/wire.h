// What the reader's parts share: walking over the fields of a message and keeping those that nobody
// reads.
#pragma once

#include <protozero/exception.hpp>

// A field of another wire type than its tag promises is broken input, not a mistake of the caller:
// it is told in every build.
#define protozero_assert(x) ((x) ? void() : throw protozero::unknown_pbf_wire_type_exception{})
#include <cstdint>
#include <filesystem>
#include <memory>
#include <protozero/pbf_message.hpp>
#include <string>
#include <vector>

#include "halftone/base/utf8.h"
#include "halftone/graph/tensor.h"
#include "halftone/onnx/fields.h"

namespace halftone::onnx {

// Calls `read(message)` at each field; where it returns false the field is skipped and its bytes,
// tag included, are added to the result.
template <typename Fields, typename Read>
std::string each_field(protozero::data_view bytes, const Read& read) {
  std::string unknown;
  protozero::pbf_message<Fields> message{bytes};
  while (true) {
    const char* start = message.data().data();
    if (!message.next()) return unknown;
    if (read(message)) continue;
    message.skip();
    unknown.append(start, message.data().data());
  }
}

// Appends a repeated number field in either form, packed or one by one.
template <typename T, typename Message, typename GetPacked, typename GetOne>
void append_numbers(std::vector<T>& values, Message& message, const GetPacked& packed,
                    const GetOne& one) {
  if (message.wire_type() == protozero::pbf_wire_type::length_delimited) {
    for (auto value : packed(message)) values.push_back(static_cast<T>(value));
  } else {
    values.push_back(static_cast<T>(one(message)));
  }
}

// A name of a file: printed, compared, written into JSON. Throws Error where it is not UTF-8.
template <typename Message>
std::string read_name(Message& message) {
  std::string name = message.get_string();
  if (!is_utf8(name)) throw Error("the name '", printable(name), "' in it is not UTF-8");
  return name;
}

// Where a model's bytes lie: the buffer that tensors point into, and the folder of its external
// data.
struct Source {
  std::shared_ptr<const void> owner;
  std::filesystem::path folder;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// One TensorProto. Throws Error naming the tensor.
NamedTensor read_tensor(protozero::data_view bytes, const Source& source);

}  // namespace halftone::onnx
