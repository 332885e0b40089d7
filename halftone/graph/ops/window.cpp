#include "halftone/graph/ops/window.h"

#include <algorithm>

namespace halftone {
namespace {

// Rounds towards plus infinity; the divisor is positive.
int64_t ceil_divided(int64_t a, int64_t b) { return a / b + (a % b > 0); }

constexpr int64_t kLargest = int64_t{1} << 31;  // keeps products of two of these within int64

void require_each(const std::vector<int64_t>& values, size_t count, int64_t least,
                  const char* name) {
  if (values.size() != count)
    throw Error(name, " has ", values.size(), " values instead of ", count);
  for (int64_t value : values)
    if (value < least || value > kLargest)
      throw Error(name, " has the value ", value, ", out of range");
}

bool is_same(const std::string& auto_pad) {
  return auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
}

}  // namespace

Span taps_inside(const WindowAxis& axis, int64_t out) {
  const int64_t start = axis.position(out, 0);
  return {std::max<int64_t>(0, ceil_divided(-start, axis.dilation)),
          std::min(axis.kernel, ceil_divided(axis.input - start, axis.dilation))};
}

Span taps_padded(const WindowAxis& axis, int64_t out) {
  const int64_t start = axis.position(out, 0);
  return {0, std::min(axis.kernel, ceil_divided(axis.input + axis.pad_end - start, axis.dilation))};
}

Span outputs_inside(const WindowAxis& axis, int64_t tap) {
  const int64_t start = axis.position(0, tap);
  return {std::max<int64_t>(0, ceil_divided(-start, axis.stride)),
          std::min(axis.output, ceil_divided(axis.input - start, axis.stride))};
}

WindowAttributes window_attributes(const Node& node, std::vector<int64_t> kernel) {
  const size_t rank = kernel.size();
  WindowAttributes result;
  result.kernel = std::move(kernel);
  result.strides = node.ints_or("strides", std::vector<int64_t>(rank, 1));
  result.dilations = node.ints_or("dilations", std::vector<int64_t>(rank, 1));
  result.pads = node.ints_or("pads", std::vector<int64_t>(2 * rank, 0));
  result.auto_pad = node.string_or("auto_pad", "NOTSET");
  result.ceil_mode = node.op_type.ends_with("Pool") && node.int_or("ceil_mode", 0) != 0;
  require_each(result.kernel, rank, -1, "the kernel's shape");
  require_each(result.strides, rank, 1, "strides");
  require_each(result.dilations, rank, 1, "dilations");
  require_each(result.pads, 2 * rank, 0, "pads");
  if (result.auto_pad == "VALID")
    result.pads.assign(2 * rank, 0);
  else if (result.auto_pad != "NOTSET" && !is_same(result.auto_pad))
    throw Error("auto_pad is '", result.auto_pad,
                "'; known are NOTSET, VALID, SAME_UPPER, SAME_LOWER");
  return result;
}

WindowAxis WindowAttributes::resolved(size_t axis, int64_t input) const {
  WindowAxis result{.input = input,
                    .kernel = kernel[axis],
                    .stride = strides[axis],
                    .dilation = dilations[axis],
                    .pad_begin = pads[axis],
                    .pad_end = pads[axis + kernel.size()]};
  if (result.kernel < 1)
    throw Error("the window has size ", result.kernel, " along spatial axis ", axis);
  if (is_same(auto_pad)) {
    result.output = ceil_divided(input, result.stride);
    const int64_t pad =
        std::max<int64_t>(0, (result.output - 1) * result.stride + result.extent() - input);
    result.pad_begin = auto_pad == "SAME_UPPER" ? pad / 2 : pad - pad / 2;
    result.pad_end = pad - result.pad_begin;
    return result;
  }
  const int64_t room = input + result.pad_begin + result.pad_end - result.extent();
  if (room < 0)
    throw Error("a window of ", result.extent(), " is larger than the padded input, ",
                room + result.extent(), ", along spatial axis ", axis);
  result.output = (ceil_mode ? ceil_divided(room, result.stride) : room / result.stride) + 1;
  // A window that would start behind the input and its front padding is dropped.
  if (ceil_mode && (result.output - 1) * result.stride >= input + result.pad_begin) --result.output;
  return result;
}

Dim WindowAttributes::output(size_t axis, const Dim& input) const {
  if (input.known() && kernel[axis] >= 0) return Dim::of(resolved(axis, input.value).output);
  if (is_same(auto_pad)) {
    if (input.known()) return Dim::of(ceil_divided(input.value, strides[axis]));
    return strides[axis] == 1 ? input : Dim{};
  }
  const int64_t extent = (kernel[axis] - 1) * dilations[axis] + 1;
  const bool keeps_size = kernel[axis] >= 1 && strides[axis] == 1 &&
                          pads[axis] + pads[axis + kernel.size()] == extent - 1;
  return keeps_size ? input : Dim{};
}

SymbolicShape window_output(const WindowAttributes& attributes, const SymbolicShape& input,
                            const Dim& channels) {
  SymbolicShape result{input[0], channels};
  for (size_t axis = 0; axis + 2 < input.size(); ++axis)
    result.push_back(attributes.output(axis, input[axis + 2]));
  return result;
}

std::vector<WindowAxis> resolved_axes(const WindowAttributes& attributes, const Shape& input) {
  std::vector<WindowAxis> result;
  for (size_t axis = 0; axis + 2 < input.size(); ++axis)
    result.push_back(attributes.resolved(axis, input[axis + 2]));
  return result;
}

}  // namespace halftone
