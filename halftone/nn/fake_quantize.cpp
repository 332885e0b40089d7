#include "halftone/nn/fake_quantize.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <torch/csrc/autograd/custom_function.h>

namespace halftone {
namespace {

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

class FakeQuantizeFunction : public torch::autograd::Function<FakeQuantizeFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& scale, int64_t zero_point, int64_t qmin, int64_t qmax,
                            double scale_gradient, double kept, int64_t seed) {
    const at::Tensor values = x.contiguous(x.suggest_memory_format());
    context->save_for_backward({values, scale});
    context->saved_data["quantizer"] = std::vector<int64_t>{zero_point, qmin, qmax, seed};
    context->saved_data["factors"] = std::vector<double>{scale_gradient, kept};
    at::Tensor y = at::empty_like(values);
    fake_quantize(values_of(values), quantizer(scale, zero_point, qmin, qmax), y.data_ptr<float>(),
                  keep(kept, seed));
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto numbers = context->saved_data["quantizer"].toIntVector();
    const auto factors = context->saved_data["factors"].toDoubleVector();
    // Element by element in the order of memory, which must be that of x.
    const at::Tensor grad_y = grads[0].contiguous(saved[0].suggest_memory_format());
    at::Tensor grad_x = at::empty_like(grad_y);
    const double grad_scale =
        fake_quantize_backward(values_of(saved[0]), values_of(grad_y),
                               quantizer(saved[1], numbers[0], numbers[1], numbers[2]),
                               grad_x.data_ptr<float>(), keep(factors[1], numbers[3]));
    const at::Tensor none;
    return {grad_x, at::full_like(saved[1], grad_scale * factors[0]), none, none, none, none, none,
            none};
  }

 private:
  static FakeQuantizer quantizer(const at::Tensor& scale, int64_t zero_point, int64_t qmin,
                                 int64_t qmax) {
    return {scale.item<float>(),
            static_cast<int32_t>(zero_point),
            {static_cast<int32_t>(qmin), static_cast<int32_t>(qmax)}};
  }
  static Keep keep(double probability, int64_t seed) {
    return {static_cast<float>(probability), static_cast<uint32_t>(seed)};
  }
};

}  // namespace

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, int32_t zero_point,
                         CodeRange range, double scale_gradient, const Keep& keep) {
  return FakeQuantizeFunction::apply(
      x, scale, static_cast<int64_t>(zero_point), static_cast<int64_t>(range.qmin),
      static_cast<int64_t>(range.qmax), scale_gradient, static_cast<double>(keep.probability),
      static_cast<int64_t>(keep.seed));
}

at::Tensor fake_quantize(const at::Tensor& x, const QuantParams& params) {
  return fake_quantize(x, at::full({1}, params.scales[0], at::kFloat), params.zero_points[0],
                       params.range);
}

}  // namespace halftone
