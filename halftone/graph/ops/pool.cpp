// MaxPool, AveragePool, LpPool and their global forms.
#include <cmath>
#include <functional>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/dims.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/window.h"

namespace halftone {
namespace {

WindowAttributes pool_attributes(const Node& node, size_t rank) {
  if (!node.has("kernel_shape")) throw Error("the attribute kernel_shape is missing");
  const WindowAttributes result = window_attributes(node, node.ints_or("kernel_shape", {}));
  if (result.kernel.size() + 2 != rank)
    throw Error("kernel_shape has ", result.kernel.size(), " values for an input of ", rank,
                " dimensions");
  return result;
}

void infer_pool(InferenceContext& context) {
  const ValueType& x = context.input(0);
  require_rank(x.shape, 3, "the input");
  MaybeShape shape;
  if (x.shape)
    shape =
        window_output(pool_attributes(context.node(), x.shape->size()), *x.shape, (*x.shape)[1]);
  context.set_output(0, x.dtype, shape);
  context.set_output(1, DType::kInt64, shape);
}

void infer_global_pool(InferenceContext& context) {
  const ValueType& x = context.input(0);
  require_rank(x.shape, 2, "the input");
  MaybeShape shape = x.shape;
  for (size_t i = 2; shape && i < shape->size(); ++i) (*shape)[i] = Dim::of(1);
  context.set_output(0, x.dtype, shape);
}

struct PoolGeometry {
  int64_t planes = 0;  // batch * channels
  std::vector<WindowAxis> axes;
  Shape input, output;  // spatial
};

PoolGeometry pool_geometry(const KernelInputs& in) {
  const Shape& x = in[0].shape();
  PoolGeometry result;
  result.planes = x[0] * x[1];
  result.axes = resolved_axes(pool_attributes(in.node, x.size()), x);
  for (const WindowAxis& axis : result.axes) {
    result.input.push_back(axis.input);
    result.output.push_back(axis.output);
  }
  return result;
}

// One window, as positions in its plane of the input that lie inside it.
void window_positions(const PoolGeometry& geometry, const std::vector<int64_t>& out,
                      std::vector<int64_t>& positions) {
  positions.assign(1, 0);
  for (size_t i = 0; i < geometry.axes.size(); ++i) {
    const WindowAxis& axis = geometry.axes[i];
    const Span taps = taps_inside(axis, out[i]);
    std::vector<int64_t> longer;
    for (int64_t position : positions)
      for (int64_t tap = taps.begin; tap < taps.end; ++tap)
        longer.push_back(position * axis.input + axis.position(out[i], tap));
    positions = std::move(longer);
  }
}

// Calls `run(out, positions)` for every coordinate of the output plane, with where its window
// reads.
template <typename F>
void for_each_window(const PoolGeometry& geometry, const F& run) {
  if (element_count(geometry.output) == 0) return;
  std::vector<int64_t> out(geometry.axes.size(), 0), positions;
  do {
    window_positions(geometry, out, positions);
    run(out, positions);
  } while (advance(out, geometry.output));
}

// Position within a plane, counted column by column: what storage_order = 1 asks of MaxPool's
// indices.
int64_t column_major(int64_t position, const Shape& plane) {
  int64_t result = 0;
  std::vector<int64_t> coordinate(plane.size());
  for (size_t i = plane.size(); i-- > 0; position /= plane[i]) coordinate[i] = position % plane[i];
  for (size_t i = plane.size(); i-- > 0;) result = result * plane[i] + coordinate[i];
  return result;
}

Tensors max_pool(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_pool);
  const PoolGeometry geometry = pool_geometry(in);
  const bool by_columns = in.node.int_or("storage_order", 0) == 1;
  const int64_t in_plane = element_count(geometry.input),
                out_plane = element_count(geometry.output);
  std::vector<int64_t> indices(static_cast<size_t>(element_count(type.shape)));
  return in_domain_of(type.dtype, [&](auto zero) -> Tensors {
    using T = decltype(zero);
    const std::vector<T> x = in[0].to_vector<T>();
    std::vector<T> y(indices.size());
    int64_t window = 0;
    for_each_window(geometry, [&](const std::vector<int64_t>&,
                                  const std::vector<int64_t>& positions) {
      if (positions.empty()) throw Error("a window lies in the padding alone");
      for (int64_t plane = 0; plane < geometry.planes; ++plane) {
        const T* source = x.data() + plane * in_plane;
        int64_t best = positions[0];
        for (int64_t position : positions)
          if (source[position] > source[best]) best = position;
        const auto at = static_cast<size_t>(plane * out_plane + window);
        y[at] = source[best];
        indices[at] = plane * in_plane + (by_columns ? column_major(best, geometry.input) : best);
      }
      ++window;
    });
    return {stored(type.dtype, type.shape, y), Tensor::of<int64_t>(type.shape, std::move(indices))};
  });
}

// Sums `term(value)` over each window and divides by `weight(out, positions)`.
template <typename Term, typename Finish>
Tensors sum_pool(const KernelInputs& in, const Term& term, const Finish& finish) {
  const TensorType type = output_type(in, infer_pool);
  const PoolGeometry geometry = pool_geometry(in);
  const int64_t in_plane = element_count(geometry.input),
                out_plane = element_count(geometry.output);
  const std::vector<double> x = in[0].to_vector<double>();
  std::vector<double> y(static_cast<size_t>(element_count(type.shape)));
  int64_t window = 0;
  for_each_window(geometry, [&](const std::vector<int64_t>& out,
                                const std::vector<int64_t>& positions) {
    for (int64_t plane = 0; plane < geometry.planes; ++plane) {
      double sum = 0;
      for (int64_t position : positions)
        sum += term(x[static_cast<size_t>(plane * in_plane + position)]);
      y[static_cast<size_t>(plane * out_plane + window)] = finish(sum, geometry, out, positions);
    }
    ++window;
  });
  return {stored(type.dtype, type.shape, y)};
}

Tensors average_pool(const KernelInputs& in) {
  const bool counts_padding = in.node.int_or("count_include_pad", 0);
  return sum_pool(
      in, [](double x) { return x; },
      [=](double sum, const PoolGeometry& geometry, const std::vector<int64_t>& out,
          const std::vector<int64_t>& positions) {
        auto count = static_cast<int64_t>(positions.size());
        if (counts_padding) {
          count = 1;
          for (size_t i = 0; i < out.size(); ++i)
            count *= taps_padded(geometry.axes[i], out[i]).size();
        }
        return sum / static_cast<double>(count);
      });
}

Tensors lp_pool(const KernelInputs& in) {
  const auto p = static_cast<double>(in.node.int_or("p", 2));
  return sum_pool(
      in, [=](double x) { return std::pow(std::fabs(x), p); },
      [=](double sum, const PoolGeometry&, const auto&, const auto&) {
        return std::pow(sum, 1 / p);
      });
}

// Values of a plane to one value.
template <typename F>
Tensors pool_planes(const KernelInputs& in, const F& pool) {
  const TensorType type = output_type(in, infer_global_pool);
  const std::vector<double> x = in[0].to_vector<double>();
  std::vector<double> y(static_cast<size_t>(element_count(type.shape)));
  const size_t plane = y.empty() ? 0 : x.size() / y.size();
  for (size_t i = 0; i < y.size(); ++i) y[i] = pool(std::span(x).subspan(i * plane, plane));
  return {stored(type.dtype, type.shape, y)};
}

Tensors global_average_pool(const KernelInputs& in) {
  return pool_planes(in, [](std::span<const double> plane) {
    double sum = 0;
    for (double x : plane) sum += x;
    return sum / static_cast<double>(plane.size());
  });
}

Tensors global_max_pool(const KernelInputs& in) {
  return pool_planes(in, [](std::span<const double> plane) {
    double largest = -std::numeric_limits<double>::infinity();
    for (double x : plane) largest = x > largest || std::isnan(x) ? x : largest;
    return largest;
  });
}

Tensors global_lp_pool(const KernelInputs& in) {
  const auto p = static_cast<double>(in.node.int_or("p", 2));
  return pool_planes(in, [=](std::span<const double> plane) {
    double sum = 0;
    for (double x : plane) sum += std::pow(std::fabs(x), p);
    return std::pow(sum, 1 / p);
  });
}

HALFTONE_REGISTER(GraphOp, "MaxPool", infer_pool, max_pool);
HALFTONE_REGISTER(GraphOp, "AveragePool", infer_pool, average_pool);
HALFTONE_REGISTER(GraphOp, "LpPool", infer_pool, lp_pool);
HALFTONE_REGISTER(GraphOp, "GlobalAveragePool", infer_global_pool, global_average_pool);
HALFTONE_REGISTER(GraphOp, "GlobalMaxPool", infer_global_pool, global_max_pool);
HALFTONE_REGISTER(GraphOp, "GlobalLpPool", infer_global_pool, global_lp_pool);

}  // namespace
}  // namespace halftone
