// How similar what two layers compute is, over a batch: the network orthogonality of OMPQ (Ma et
// al. 2021, arXiv 2109.07865), which is linear centred kernel alignment.
//
//   std::vector<at::Tensor> grams;
//   for (const at::Tensor& feature : features)
//     grams.push_back(centred(gram(feature), Centring::kUnbiased));
//   const at::Tensor similarity = orthogonality(grams);
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace halftone {

enum class Centring {
  kUnbiased,  // the diagonal is left out (Szekely and Rizzo 2014): no rise with the number of
              // features; may be slightly negative
  kBiased,    // H G H with H = I - 1/N, as in the paper: near 1 where features are many and samples
              // few
};

// features: [N, ...], floating point. The products of all pairs of samples less the batch's mean:
// [N, N], float64. Works through blocks of columns, so that beside the features it takes no memory
// that grows with them.
at::Tensor gram(const at::Tensor& features);

// gram: [N, N], float64; unbiased wants N of 4 or more. Same shape.
at::Tensor centred(const at::Tensor& gram, Centring centring);

// [L, L], float64: the cosine between centred Gram matrices, each [N, N]; 1 on the diagonal,
// symmetric, within [-1, 1] (biased: [0, 1]). Does not change when features are rotated, scaled or
// shifted. A layer with the same features for all samples is similar to no other: 0.
at::Tensor orthogonality(const std::vector<at::Tensor>& centred_grams);

}  // namespace halftone
