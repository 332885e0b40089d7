#include "halftone/graph/ops/transposed_window.h"

#include <algorithm>

#include "halftone/graph/ops/arguments.h"

namespace halftone {

TransposedWindow::TransposedWindow(const Node& node, std::vector<int64_t> kernel)
    : window_(window_attributes(node, std::move(kernel))),
      output_padding_(
          node.ints_or("output_padding", std::vector<int64_t>(window_.kernel.size(), 0))),
      output_shape_(node.ints_or("output_shape", {})) {
  const size_t rank = window_.kernel.size();
  if (output_shape_.size() == rank + 2)
    output_shape_.erase(output_shape_.begin(), output_shape_.begin() + 2);
  if (output_padding_.size() != rank || (!output_shape_.empty() && output_shape_.size() != rank))
    throw Error("output_padding ", to_string(output_padding_), " and output_shape ",
                to_string(output_shape_), " must have ", rank, " values");
  for (const auto* values : {&output_padding_, &output_shape_})
    for (int64_t value : *values)
      if (value < 0 || value > kMostElements)
        throw Error("output_padding or output_shape has the value ", value);
}

Dim TransposedWindow::output(size_t axis, const Dim& input) const {
  if (input.known() && window_.kernel[axis] >= 0) return Dim::of(resolved(axis, input.value).input);
  return output_shape_.empty() ? Dim{} : Dim::of(output_shape_[axis]);
}

WindowAxis TransposedWindow::resolved(size_t axis, int64_t input) const {
  if (window_.kernel[axis] < 1)
    throw Error("the kernel has size ", window_.kernel[axis], " along axis ", axis);
  WindowAxis result{.output = input,
                    .kernel = window_.kernel[axis],
                    .stride = window_.strides[axis],
                    .dilation = window_.dilations[axis],
                    .pad_begin = window_.pads[axis],
                    .pad_end = window_.pads[axis + window_.kernel.size()]};
  int64_t reach = 0;  // of all windows, before padding is cut off
  if (input < 1 || __builtin_mul_overflow(input - 1, result.stride, &reach) ||
      __builtin_add_overflow(reach, result.extent() + output_padding_[axis], &reach))
    throw Error("an input of ", input, " cannot be transposed along spatial axis ", axis);
  const bool is_same = window_.auto_pad.starts_with("SAME");
  if (!output_shape_.empty() || is_same) {
    result.input = output_shape_.empty() ? input * result.stride : output_shape_[axis];
    const int64_t total = std::max<int64_t>(0, reach - result.input);
    result.pad_begin = window_.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    result.pad_end = total - result.pad_begin;
  } else {
    result.input = reach - result.pad_begin - result.pad_end;
  }
  if (result.input < 1)
    throw Error("padding leaves ", result.input, " elements along spatial axis ", axis);
  return result;
}

}  // namespace halftone
