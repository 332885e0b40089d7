#include "halftone/graph/ops/convolution.h"

#include <algorithm>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/dims.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

int64_t product_of(const std::vector<WindowAxis>& axes, int64_t WindowAxis::*size) {
  int64_t result = 1;
  for (const WindowAxis& axis : axes) result *= axis.*size;
  return result;
}

// One tap of one kernel plane with everything it touches: calls `run(in, step, out, count)` for
// every row, where in + i * step and out + i are the positions in the input and output planes, 0 <=
// i < count.
template <typename F>
void for_each_row(const std::vector<WindowAxis>& axes, const std::vector<int64_t>& tap,
                  const F& run, size_t depth = 0, int64_t in = 0, int64_t out = 0) {
  const WindowAxis& axis = axes[depth];
  const Span span = outputs_inside(axis, tap[depth]);
  if (span.size() == 0) return;
  if (depth + 1 == axes.size())
    return run(in * axis.input + axis.position(span.begin, tap[depth]), axis.stride,
               out * axis.output + span.begin, span.size());
  for (int64_t o = span.begin; o < span.end; ++o)
    for_each_row(axes, tap, run, depth + 1, in * axis.input + axis.position(o, tap[depth]),
                 out * axis.output + o);
}

// Calls `run(n, in_channel, out_channel, weight_plane)` for every pair of channels that a kernel
// plane connects.
template <typename F>
void for_each_pair(const ConvGeometry& g, const F& run) {
  for (int64_t n = 0; n < g.batch; ++n)
    for (int64_t group = 0; group < g.groups; ++group)
      for (int64_t m = 0; m < g.out_channels; ++m)
        for (int64_t c = 0; c < g.in_channels; ++c)
          run(n, group * g.in_channels + c, group * g.out_channels + m,
              (group * g.out_channels + m) * g.in_channels + c);
}

Shape kernel_shape(const ConvGeometry& geometry) {
  Shape result;
  for (const WindowAxis& axis : geometry.axes) result.push_back(axis.kernel);
  return result;
}

}  // namespace

int64_t ConvGeometry::input_plane() const { return product_of(axes, &WindowAxis::input); }
int64_t ConvGeometry::output_plane() const { return product_of(axes, &WindowAxis::output); }
int64_t ConvGeometry::taps() const { return product_of(axes, &WindowAxis::kernel); }

std::vector<int64_t> kernel_sizes(const Node& node, const SymbolicShape& x,
                                  const MaybeShape& weight) {
  std::vector<int64_t> kernel =
      node.ints_or("kernel_shape", std::vector<int64_t>(x.size() - 2, -1));
  if (kernel.size() + 2 != x.size())
    throw Error("kernel_shape is ", to_string(kernel), " for an input of shape ", to_string(x));
  for (size_t i = 0; weight && i < kernel.size(); ++i) {
    const Dim& dim = (*weight)[i + 2];
    if (dim.known() && kernel[i] >= 0 && kernel[i] != dim.value)
      throw Error("kernel_shape is ", to_string(kernel), ", but the weight has shape ",
                  to_string(*weight));
    if (dim.known()) kernel[i] = dim.value;
  }
  return kernel;
}

void infer_conv(InferenceContext& context, size_t weight, DType output) {
  const MaybeShape& x = context.input(0).shape;
  const MaybeShape& w = context.input(weight).shape;
  require_rank(x, 3, "the input");
  require_rank(w, 3, "the weight");
  if (x && w && x->size() != w->size())
    throw Error("the input has shape ", to_string(*x), " and the weight ", to_string(*w),
                "; the ranks must be equal");
  if (!x)
    return context.set_output(0, output,
                              w ? MaybeShape(unknown_shape(static_cast<int64_t>(w->size()))) : x);
  const std::vector<int64_t> kernel = kernel_sizes(context.node(), *x, w);
  const int64_t groups = context.node().int_or("group", 1);
  if (groups < 1) throw Error("group is ", groups);
  if (w && (*w)[0].known() && (*w)[0].value % groups != 0)
    throw Error("group is ", groups, ", which does not divide the weight's ", (*w)[0].value,
                " output channels");
  if (w && (*x)[1].known() && (*w)[1].known() &&
      ((*x)[1].value % groups != 0 || (*x)[1].value / groups != (*w)[1].value))
    throw Error("the input has ", (*x)[1].value, " channels, but the weight of shape ",
                to_string(*w), " with group ", groups, " takes another number");
  context.set_output(
      0, output, window_output(window_attributes(context.node(), kernel), *x, w ? (*w)[0] : Dim{}));
}

ConvGeometry conv_geometry(const Node& node, const Shape& x, const Shape& weight) {
  const int64_t groups = node.int_or("group", 1);
  const WindowAttributes attributes = window_attributes(node, {weight.begin() + 2, weight.end()});
  return {.batch = x[0],
          .groups = groups,
          .in_channels = weight[1],
          .out_channels = weight[0] / groups,
          .axes = resolved_axes(attributes, x)};
}

template <typename T>
std::vector<T> convolved(const std::vector<T>& x, const std::vector<T>& weight,
                         const ConvGeometry& g) {
  const int64_t in_plane = g.input_plane(), out_plane = g.output_plane(), taps = g.taps();
  const int64_t in_channels = g.groups * g.in_channels, out_channels = g.groups * g.out_channels;
  const Shape kernel = kernel_shape(g);
  std::vector<T> result(static_cast<size_t>(g.batch * out_channels * out_plane));
  for_each_pair(g, [&](int64_t n, int64_t c, int64_t m, int64_t plane) {
    const T* source = x.data() + (n * in_channels + c) * in_plane;
    T* target = result.data() + (n * out_channels + m) * out_plane;
    const T* w = weight.data() + plane * taps;
    std::vector<int64_t> tap(kernel.size(), 0);
    do {
      const T factor = *w++;
      for_each_row(g.axes, tap, [&](int64_t in, int64_t step, int64_t out, int64_t count) {
        for (int64_t i = 0; i < count; ++i)
          target[out + i] =
              wrapping_add(target[out + i], wrapping_mul(factor, source[in + i * step]));
      });
    } while (advance(tap, kernel));
  });
  return result;
}
template std::vector<double> convolved(const std::vector<double>&, const std::vector<double>&,
                                       const ConvGeometry&);
template std::vector<int64_t> convolved(const std::vector<int64_t>&, const std::vector<int64_t>&,
                                        const ConvGeometry&);

std::vector<double> convolved_transposed(const std::vector<double>& x,
                                         const std::vector<double>& weight, const ConvGeometry& g) {
  const int64_t in_plane = g.input_plane(), out_plane = g.output_plane(), taps = g.taps();
  const int64_t in_channels = g.groups * g.in_channels, out_channels = g.groups * g.out_channels;
  const Shape kernel = kernel_shape(g);
  std::vector<double> result(static_cast<size_t>(g.batch * in_channels * in_plane));
  for_each_pair(g, [&](int64_t n, int64_t c, int64_t m, int64_t plane) {
    double* target = result.data() + (n * in_channels + c) * in_plane;
    const double* source = x.data() + (n * out_channels + m) * out_plane;
    const double* w = weight.data() + plane * taps;
    std::vector<int64_t> tap(kernel.size(), 0);
    do {
      const double factor = *w++;
      for_each_row(g.axes, tap, [&](int64_t in, int64_t step, int64_t out, int64_t count) {
        for (int64_t i = 0; i < count; ++i) target[in + i * step] += factor * source[out + i];
      });
    } while (advance(tap, kernel));
  });
  return result;
}

void add_channel_bias(std::vector<double>& y, const Tensor& bias, const Shape& shape) {
  const std::vector<double> values = bias.to_vector<double>();
  if (bias.rank() != 1 || bias.count() != shape[1])
    throw Error("the bias has shape ", to_string(bias.shape()), " for ", shape[1],
                " output channels");
  const auto plane = static_cast<size_t>(element_count({shape.begin() + 2, shape.end()}));
  for (size_t i = 0; i < y.size(); ++i) y[i] += values[i / plane % values.size()];
}

}  // namespace halftone
