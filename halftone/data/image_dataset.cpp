#include "halftone/data/image_dataset.h"

#include <utility>

#include "halftone/base/error.h"

namespace halftone {
namespace {

// A caller without a model still gets a named input.
std::vector<Value> one_input(std::vector<Value> inputs, const std::string& where) {
  if (inputs.size() > 1)
    throw Error("'", where, "' holds images, but the model has ", inputs.size(),
                " inputs; give an .npz file whose ", "arrays are named like them");
  if (inputs.empty()) inputs.push_back({"input", {}, {}});
  return inputs;
}

}  // namespace

ImageDataset::ImageDataset(std::vector<Value> inputs, const std::optional<Preprocess>& preprocess,
                           std::vector<int64_t> labels, size_t class_count,
                           const std::string& where)
    : Dataset(one_input(std::move(inputs), where), std::move(labels), class_count, where) {
  if (!preprocess)
    throw Error("'", where,
                "' holds images, and nothing says how their pixels become the model's input; give ",
                "--preprocess imagenet, --preprocess cifar10 or --preprocess FILE.json");
  preprocess_ = *preprocess;
  if (!preprocess_.crop) return;
  const int64_t channels = preprocess_.color == Preprocess::Color::kGray ? 1 : 3;
  const int64_t side = *preprocess_.crop;
  const bool is_nchw = preprocess_.layout == Preprocess::Layout::kNchw;
  const Shape shape = is_nchw ? Shape{channels, side, side} : Shape{side, side, channels};
  check_sample(this->inputs()[0], DType::kFloat, shape, where);
}

std::vector<Tensor> ImageDataset::read(size_t i) const {
  return {preprocess_.apply(image(i), name(i))};
}

}  // namespace halftone
