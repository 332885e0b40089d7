#include "halftone/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "halftone/base/error.h"

namespace halftone {
namespace {

// What --data may be fed as: floats as any float type, integers as any integer type that holds
// them, bool as bool.
bool converts(DType from, DType to) {
  return from == to || (is_floating(from) && is_floating(to)) ||
         (is_integer(from) && is_integer(to));
}

Tensor convert(const Tensor& tensor, DType to, const std::string& name) {
  if (to == DType::kUndefined || tensor.dtype() == to) return tensor;
  if (to == DType::kFloat) return Tensor::of<float>(tensor.shape(), tensor.to_vector<float>());
  const std::vector<double> values = tensor.to_vector<double>();
  if (is_integer(to)) {
    const int bits = bits_of(to);
    const double lowest = is_signed_integer(to) ? -std::ldexp(1.0, bits - 1) : 0.0;
    // 2^53 bounds what came through double exactly.
    const double end = std::ldexp(1.0, std::min(is_signed_integer(to) ? bits - 1 : bits, 53));
    for (double value : values)
      if (value < std::max(lowest, -end) || value >= end)
        throw Error("feeding '", name, "' (", name_of(tensor.dtype()), ") as ", name_of(to), ": ",
                    value, " is out of range");
  }
  return Tensor::from_doubles(to, tensor.shape(), values);
}

std::vector<int64_t> pick(const std::vector<int64_t>& labels, const std::vector<size_t>& indices) {
  std::vector<int64_t> picked;
  picked.reserve(indices.size());
  for (size_t i : indices) picked.push_back(labels.at(i));
  return picked;
}

}  // namespace

Dataset::Dataset(std::vector<Value> inputs, std::vector<int64_t> labels, size_t class_count,
                 const std::string& where)
    : inputs_(std::move(inputs)), labels_(std::move(labels)), class_count_(class_count) {
  if (labels_.empty()) throw Error("'", where, "' holds no samples");
  const int64_t highest = *std::max_element(labels_.begin(), labels_.end());
  class_count_ = std::max(class_count_, static_cast<size_t>(highest + 1));
}

bool Dataset::is_labelled() const {
  return std::none_of(labels_.begin(), labels_.end(), [](int64_t label) { return label < 0; });
}

std::vector<Tensor> Dataset::load(size_t i) const {
  if (i >= size()) throw Error("sample ", i, " is asked for, but there are ", size());
  std::vector<Tensor> tensors = read(i);
  for (size_t k = 0; k < tensors.size(); ++k) {
    check_sample(inputs_[k], tensors[k].dtype(), tensors[k].shape(), name(i));
    tensors[k] = convert(tensors[k], inputs_[k].type.dtype, name(i));
  }
  return tensors;
}

void check_sample(const Value& input, DType dtype, const Shape& sample, const std::string& where) {
  const auto told = [&] {
    return text("input '", input.name, "' of the model takes ", name_of(input.type.dtype),
                input.type.shape ? to_string(*input.type.shape) : "", ", but a sample of '", where,
                "' is ", name_of(dtype), to_string(sample));
  };
  if (input.type.dtype != DType::kUndefined && !converts(dtype, input.type.dtype))
    throw Error(told(), "; convert the data to ", name_of(input.type.dtype), " first");
  if (!input.type.shape) return;
  const SymbolicShape& wanted = *input.type.shape;
  bool fits = wanted.size() == sample.size() + 1;
  for (size_t k = 0; fits && k < sample.size(); ++k)
    fits = !wanted[k + 1].known() || wanted[k + 1].value == sample[k];
  if (!fits)
    throw Error(told(), " (the model's first axis counts samples); the other axes must be equal");
}

Subset::Subset(std::shared_ptr<const Dataset> whole, std::vector<size_t> indices)
    : Dataset(whole->inputs(), pick(whole->labels(), indices), whole->class_count(),
              whole->describe()),
      whole_(std::move(whole)),
      indices_(std::move(indices)) {}

std::string Subset::describe() const { return text(size(), " of ", whole_->describe()); }

}  // namespace halftone
