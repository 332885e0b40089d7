#include "halftone/sensitivity/orthogonality.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/base/error.h"

namespace halftone {
namespace {

constexpr int64_t kBlockElements = 1 << 20;

}  // namespace

at::Tensor gram(const at::Tensor& features) {
  const int64_t samples = features.size(0);
  const at::Tensor rows = features.reshape({samples, -1});
  at::Tensor sum = at::zeros({samples, samples}, at::kDouble);
  const int64_t columns = rows.size(1), width = std::max<int64_t>(1, kBlockElements / samples);
  for (int64_t first = 0; first < columns; first += width) {
    at::Tensor block = rows.narrow(1, first, std::min(width, columns - first)).to(at::kDouble);
    block = block - block.mean(0, true);
    sum.addmm_(block, block.t());
  }
  return sum;
}

at::Tensor centred(const at::Tensor& gram, Centring centring) {
  const int64_t n = gram.size(0);
  if (centring == Centring::kBiased) {
    const at::Tensor rows = gram.mean(1, true);
    return gram - rows - gram.mean(0, true) + rows.mean();
  }
  if (n < 4)
    throw Error("unbiased orthogonality needs 4 samples or more, and there are ", n,
                "; give more data or --orthogonality biased");
  at::Tensor result = gram.clone();
  result.fill_diagonal_(0);
  const auto count = static_cast<double>(n);
  at::Tensor means = result.sum(0) / (count - 2);
  means = means - means.sum() / (2 * (count - 1));
  result = result - means.unsqueeze(0) - means.unsqueeze(1);
  result.fill_diagonal_(0);
  return result;
}

at::Tensor orthogonality(const std::vector<at::Tensor>& centred_grams) {
  if (centred_grams.empty()) return at::zeros({0, 0}, at::kDouble);
  std::vector<at::Tensor> rows;
  for (const at::Tensor& gram : centred_grams) {
    const at::Tensor row = gram.reshape({-1});
    const double norm = row.norm().item<double>();
    rows.push_back(norm > 0 ? row / norm : at::zeros_like(row));
  }
  const at::Tensor all = at::stack(rows);
  at::Tensor result = at::mm(all, all.t()).clamp(-1, 1);
  result = (result + result.t()) / 2;
  result.fill_diagonal_(1);
  return result;
}

}  // namespace halftone
