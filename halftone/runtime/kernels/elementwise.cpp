#include "halftone/runtime/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/elementwise.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include "halftone/runtime/kernels/requantize-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

// As many codes as there are floats in a vector.
using FewBytes = hn::Rebind<uint8_t, Floats>;

HWY_INLINE VInts load_codes(const uint8_t* codes) {
  return hn::PromoteTo(Ints(), hn::LoadU(FewBytes(), codes));
}
HWY_INLINE VFloats set(float x) { return hn::Set(Floats(), x); }

struct ScaledSum {
  VFloats factor_a, factor_b, offset, high;
  explicit ScaledSum(const Elementwise& e)
      : factor_a(set(e.factor_a)),
        factor_b(set(e.factor_b)),
        offset(set(e.offset)),
        high(set(static_cast<float>(e.output.qmax))) {}
  HWY_INLINE VInts operator()(VInts a, VInts b) const {
    const VFloats side = hn::Add(hn::Mul(hn::ConvertTo(Floats(), b), factor_b), offset);
    const VFloats sum = hn::Add(hn::Mul(hn::ConvertTo(Floats(), a), factor_a), side);
    return nearest_int(hn::Min(hn::Max(sum, hn::Zero(Floats())), high));
  }
};

template <Operation kOperation>
struct Definition {
  VInts zero_a, zero_b, zero_out;
  VFloats scale_a, scale_b, scale_out, low, high;
  explicit Definition(const Elementwise& e)
      : zero_a(hn::Set(Ints(), e.a.zero_point)),
        zero_b(hn::Set(Ints(), e.b.zero_point)),
        zero_out(hn::Set(Ints(), e.output.zero_point)),
        scale_a(set(e.a.scale)),
        scale_b(set(e.b.scale)),
        scale_out(set(e.output.scale)),
        low(set(static_cast<float>(-e.output.zero_point))),
        high(set(static_cast<float>(e.output.qmax - e.output.zero_point))) {}
  HWY_INLINE VInts operator()(VInts a, VInts b) const {
    const VFloats x = hn::Mul(hn::ConvertTo(Floats(), hn::Sub(a, zero_a)), scale_a);
    const VFloats y = hn::Mul(hn::ConvertTo(Floats(), hn::Sub(b, zero_b)), scale_b);
    const VFloats value = kOperation == Operation::kAdd        ? hn::Add(x, y)
                          : kOperation == Operation::kSubtract ? hn::Sub(x, y)
                                                               : hn::Mul(x, y);
    return hn::Add(nearest_int(hn::Min(hn::Max(hn::Div(value, scale_out), low), high)), zero_out);
  }
};

template <class Form>
HWY_INLINE void each_code(const Form& form, const uint8_t* a, const uint8_t* b, uint8_t* out,
                          int64_t count) {
  const FewBytes few;
  const auto lanes = static_cast<int64_t>(hn::Lanes(few));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::DemoteTo(few, form(load_codes(a + i), load_codes(b + i))), few, out + i);
  if (i == count) return;
  uint8_t last[HWY_MAX_BYTES];
  hn::StoreU(hn::DemoteTo(few, form(load_codes(a + i), load_codes(b + i))), few, last);
  std::memcpy(out + i, last, static_cast<size_t>(count - i));
}

void RunElementwise(const Elementwise& e, const uint8_t* a, const uint8_t* b, uint8_t* out,
                    int64_t count) {
  if (e.is_scaled()) return each_code(ScaledSum(e), a, b, out, count);
  if (e.operation == Operation::kAdd)
    return each_code(Definition<Operation::kAdd>(e), a, b, out, count);
  if (e.operation == Operation::kSubtract)
    return each_code(Definition<Operation::kSubtract>(e), a, b, out, count);
  each_code(Definition<Operation::kMultiply>(e), a, b, out, count);
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halftone::runtime {
HWY_EXPORT(RunElementwise);

Elementwise::Elementwise(Operation operation_, const CodeType& a_, const CodeType& b_,
                         const CodeType& output_, int32_t most_a, int32_t most_b)
    : operation(operation_), a(a_), b(b_), output(output_) {
  if (operation == Operation::kMultiply) return;
  factor_a = a.scale / output.scale;
  factor_b = (operation == Operation::kAdd ? b.scale : -b.scale) / output.scale;
  offset = static_cast<float>(output.zero_point) - static_cast<float>(a.zero_point) * factor_a -
           static_cast<float>(b.zero_point) * factor_b;
  is_scaled_ = true;
  for (int32_t x = 0; x <= most_a && is_scaled_; ++x)
    for (int32_t y = 0; y <= most_b && is_scaled_; ++y)
      is_scaled_ = scaled(x, y) == (*this)(static_cast<uint8_t>(x), static_cast<uint8_t>(y));
}

uint8_t Elementwise::operator()(uint8_t code_a, uint8_t code_b) const {
  const float x = a.value(code_a), y = b.value(code_b);
  return output.code(operation == Operation::kAdd        ? x + y
                     : operation == Operation::kSubtract ? x - y
                                                         : x * y);
}

uint8_t Elementwise::scaled(int32_t code_a, int32_t code_b) const {
  const float side = static_cast<float>(code_b) * factor_b + offset;
  const float sum = static_cast<float>(code_a) * factor_a + side;
  const auto high = static_cast<float>(output.qmax);
  return static_cast<uint8_t>(std::nearbyint(sum > 0 ? (sum < high ? sum : high) : 0.0f));
}

void Elementwise::run(const uint8_t* x, const uint8_t* y, uint8_t* out, int64_t count) const {
  HWY_DYNAMIC_DISPATCH(RunElementwise)(*this, x, y, out, count);
}

}  // namespace halftone::runtime
#endif
