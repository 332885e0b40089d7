#include "halftone/nn/fake_quantize.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "halftone/base/error.h"

namespace halftone {
namespace {

// Elements that one thread does at a time, a multiple of the kernel's block: the same parts, and
// sums added in the same order, for any number of threads.
constexpr int64_t kPart = 1 << 15;

// A run of consecutive elements with one scale.
struct Part {
  size_t first, count, scale;
};

std::vector<Part> parts_of(int64_t elements, size_t scales, bool is_one_part) {
  std::vector<Part> parts;
  const auto length = static_cast<size_t>(elements) / scales;
  const size_t step = is_one_part ? length : static_cast<size_t>(kPart);
  for (size_t k = 0; k < scales; ++k)
    for (size_t first = 0; first < length; first += step)
      parts.push_back({k * length + first, std::min(step, length - first), k});
  return parts;
}

void each_part(const std::vector<Part>& parts, const std::function<void(size_t)>& work) {
  const size_t length = parts.empty() ? 1 : parts[0].count;
  const int64_t grain =
      std::max<int64_t>(1, kPart / static_cast<int64_t>(std::max<size_t>(1, length)));
  at::parallel_for(0, static_cast<int64_t>(parts.size()), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work(static_cast<size_t>(i));
  });
}

// Everything but tensors, in one place for both passes.
struct Grid {
  FakeQuantizeOptions how;
  int32_t zero_point(size_t scale) const {
    if (how.zero_points.empty()) return 0;
    return how.zero_points[how.zero_points.size() == 1 ? 0 : scale];
  }
  CodeRange range(size_t scale) const {
    return how.channels.empty() ? how.range : how.channels[scale].range;
  }
  FakeQuantizer quantizer(const float* scales, size_t scale) const {
    return {scales[scale], zero_point(scale), range(scale)};
  }
};

struct GridHolder : torch::CustomClassHolder {
  explicit GridHolder(Grid g) : grid(std::move(g)) {}
  Grid grid;
};

std::span<const float> part_of(const at::Tensor& tensor, const Part& part) {
  return {tensor.const_data_ptr<float>() + part.first, part.count};
}

// The gradients of one scale and its zero point from the sums over its elements.
struct ScaleGradients {
  double scale, zero_point;
};
ScaleGradients gradients_of(const FakeQuantizeSums& sums, const FakeQuantizer& q,
                            StepGradient rule) {
  const double clipped =
      sums.low * (q.range.qmin - q.zero_point) + sums.high * (q.range.qmax - q.zero_point);
  return {rule == StepGradient::kRounding ? sums.scale : clipped,
          -static_cast<double>(q.scale) * (sums.low + sums.high)};
}

class FakeQuantizeFunction : public torch::autograd::Function<FakeQuantizeFunction> {
 public:
  // zero_point: empty, or the real number whose rounding grid.how.zero_points holds.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& scale, const at::Tensor& zero_point,
                            const c10::intrusive_ptr<GridHolder>& holder) {
    const Grid& grid = holder->grid;
    // Whatever the order of memory, what has the same first index lies together.
    const at::Tensor values = x.contiguous(x.suggest_memory_format());
    const at::Tensor scales = scale.contiguous();
    context->save_for_backward({values, scales, zero_point});
    context->saved_data["grid"] = c10::IValue::make_capsule(holder);
    at::Tensor y = at::empty_like(values);
    const auto parts = parts_of(values.numel(), static_cast<size_t>(scales.numel()),
                                grid.how.keep.probability < 1);
    const float* steps = scales.const_data_ptr<float>();
    each_part(parts, [&](size_t i) {
      fake_quantize(part_of(values, parts[i]), grid.quantizer(steps, parts[i].scale),
                    y.data_ptr<float>() + parts[i].first, grid.how.keep);
    });
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto holder = context->saved_data["grid"].toCapsule();
    const Grid& grid = static_cast<const GridHolder&>(*holder).grid;
    const at::Tensor &values = saved[0], &scales = saved[1];
    // Element by element in the order of memory, which must be that of x.
    const at::Tensor grad_y = grads[0].contiguous(values.suggest_memory_format());
    at::Tensor grad_x = at::empty_like(values);
    const auto parts = parts_of(values.numel(), static_cast<size_t>(scales.numel()),
                                grid.how.keep.probability < 1);
    const float* steps = scales.const_data_ptr<float>();
    std::vector<FakeQuantizeSums> sums(parts.size());
    each_part(parts, [&](size_t i) {
      sums[i] = fake_quantize_backward(part_of(values, parts[i]), part_of(grad_y, parts[i]),
                                       grid.quantizer(steps, parts[i].scale),
                                       grad_x.data_ptr<float>() + parts[i].first, grid.how.keep);
    });
    std::vector<FakeQuantizeSums> totals(static_cast<size_t>(scales.numel()));
    for (size_t i = 0; i < parts.size(); ++i) totals[parts[i].scale] += sums[i];
    at::Tensor grad_scale = at::empty_like(scales);
    double zero_gradient = 0;
    for (size_t k = 0; k < totals.size(); ++k) {
      const auto found = gradients_of(totals[k], grid.quantizer(steps, k), grid.how.rule);
      grad_scale.data_ptr<float>()[k] = static_cast<float>(found.scale * grid.how.scale_gradient);
      zero_gradient += found.zero_point * grid.how.scale_gradient;
    }
    at::Tensor grad_zero;
    if (saved[2].numel() > 0) grad_zero = at::empty_like(saved[2]).fill_(zero_gradient);
    return {grid.how.passes_outside ? grad_y : grad_x, grad_scale, grad_zero, at::Tensor()};
  }
};

at::Tensor apply(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                 const FakeQuantizeOptions& how) {
  const auto holder = c10::make_intrusive<GridHolder>(Grid{how});
  if (how.axis <= 0) return FakeQuantizeFunction::apply(x, scale, zero_point, holder);
  // Channels of another axis: brought to the front and back.
  const at::Tensor front = x.transpose(0, how.axis).contiguous();
  return FakeQuantizeFunction::apply(front, scale, zero_point, holder).transpose(0, how.axis);
}

}  // namespace

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale,
                         const FakeQuantizeOptions& how) {
  const int64_t wanted = how.axis < 0 ? 1 : x.size(how.axis);
  if (scale.numel() != wanted)
    throw Error("fake quantization of ", x.dim(), " axes along axis ", how.axis, ": ",
                scale.numel(), " scales where ", wanted, " are needed");
  return apply(x, scale, at::empty({0}, scale.options().requires_grad(false)), how);
}

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                         const FakeQuantizeOptions& how) {
  FakeQuantizeOptions rounded = how;
  const float z = std::nearbyint(zero_point.item<float>());
  rounded.zero_points = {static_cast<int32_t>(
      std::clamp(z, static_cast<float>(how.range.qmin), static_cast<float>(how.range.qmax)))};
  return apply(x, scale, zero_point, rounded);
}

at::Tensor fake_quantize(const at::Tensor& x, const QuantParams& params) {
  const at::Tensor scales = at::tensor(at::ArrayRef<float>(params.scales), at::kFloat);
  return fake_quantize(x, scales,
                       {.range = params.range,
                        .axis = params.axis,
                        .zero_points = params.zero_points,
                        .channels = params.channels});
}

}  // namespace halftone
