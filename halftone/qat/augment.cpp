#include "halftone/qat/augment.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "halftone/base/error.h"

namespace halftone {

Augmentation parse_augmentation(const std::string& words) {
  Augmentation result;
  std::istringstream stream(words);
  for (std::string word; std::getline(stream, word, ',');) {
    if (word == "crop") {
      result.crops = true;
    } else if (word == "flip") {
      result.flips = true;
    } else if (word == "resized-crop") {
      result.crops_resized = true;
    } else if (word == "mixup") {
      result.mixup = 0.2;
    } else if (word != "none") {
      throw UsageError("--augment ", words, ": '", word,
                       "' is none of crop, flip, resized-crop, mixup, none");
    }
  }
  return result;
}

namespace {

// padded: [c, h + 2 p, w + 2 p].
at::Tensor shifted(const at::Tensor& padded, int64_t padding, int64_t height, int64_t width,
                   Rng& rng) {
  const auto choices = static_cast<uint64_t>(2 * padding + 1);
  const auto top = static_cast<int64_t>(rng.below(choices));
  const auto left = static_cast<int64_t>(rng.below(choices));
  return padded.narrow(1, top, height).narrow(2, left, width);
}

double between(double low, double high, Rng& rng) { return low + (high - low) * rng.uniform(); }

// image: [c, h, w].
at::Tensor resized_part(const at::Tensor& image, Rng& rng) {
  const auto height = static_cast<double>(image.size(1)),
             width = static_cast<double>(image.size(2));
  const double area = between(0.25, 1, rng) * height * width;
  const double aspect = std::exp(between(std::log(0.75), std::log(4.0 / 3), rng));
  const auto h = static_cast<int64_t>(std::clamp(std::sqrt(area / aspect), 1.0, height));
  const auto w = static_cast<int64_t>(std::clamp(std::sqrt(area * aspect), 1.0, width));
  const auto top = static_cast<int64_t>(rng.below(static_cast<uint64_t>(image.size(1) - h + 1)));
  const auto left = static_cast<int64_t>(rng.below(static_cast<uint64_t>(image.size(2) - w + 1)));
  const at::Tensor part = image.narrow(1, top, h).narrow(2, left, w).unsqueeze(0);
  return at::_upsample_bilinear2d_aa(part, {image.size(1), image.size(2)}, false).squeeze(0);
}

// Gamma(shape, 1) for shape > 0 (Marsaglia and Tsang 2000).
double gamma_number(double shape, Rng& rng) {
  if (shape < 1) return gamma_number(shape + 1, rng) * std::pow(rng.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double normal =
        std::sqrt(-2 * std::log(1 - rng.uniform())) * std::cos(6.283185307179586 * rng.uniform());
    const double v = std::pow(1 + c * normal, 3);
    if (v > 0 && std::log(1 - rng.uniform()) < 0.5 * normal * normal + d - d * v + d * std::log(v))
      return d * v;
  }
}

}  // namespace

at::Tensor augmented(const at::Tensor& images, const std::vector<size_t>& samples, int epoch,
                     const Augmentation& how, const Run& run) {
  if (!how.crops && !how.flips && !how.crops_resized) return images;
  const at::NoGradGuard no_gradient;
  const int64_t height = images.size(2), width = images.size(3);
  const int64_t padding = how.padding ? how.padding : std::max<int64_t>(1, width / 8);
  const at::Tensor padded =
      how.crops ? at::constant_pad_nd(images, {padding, padding, padding, padding}) : images;
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < images.size(0); ++i) {
    Rng rng = run.rng(text("augment/", epoch, "/", samples[static_cast<size_t>(i)]));
    at::Tensor image = padded[i];
    if (how.crops) image = shifted(image, padding, height, width, rng);
    if (how.crops_resized) image = resized_part(image, rng);
    if (how.flips && rng.below(2)) image = image.flip({2});
    rows.push_back(image);
  }
  return at::stack(rows);
}

Mixed mixed_up(const at::Tensor& images, uint64_t step, double alpha, const Run& run) {
  Rng rng = run.rng(text("mixup/", step));
  const double a = gamma_number(alpha, rng), b = gamma_number(alpha, rng);
  const double share = a + b > 0 ? a / (a + b) : 1;
  std::vector<int64_t> order(static_cast<size_t>(images.size(0)));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  rng.shuffle(order);
  const at::Tensor others = at::tensor(at::ArrayRef<int64_t>(order), at::kLong);
  return {images * share + images.index_select(0, others) * (1 - share), others, share};
}

}  // namespace halftone
