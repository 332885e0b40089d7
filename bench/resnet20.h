// ResNet-20 for CIFAR-10 (He et al. 2015) with random weights, BatchNormalization folded.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "halftone/graph/graph.h"

namespace halftone::bench {

// image [N,3,32,32] -> logits [N,10]. Weights of layer L are the initializers L.weight and L.bias.
Graph resnet20();

// The same network as somebody would write it in LibTorch. weights: resnet20()'s initializers, by
// name.
at::Tensor resnet20_by_hand(const at::Tensor& image,
                            const std::map<std::string, at::Tensor>& weights);

}  // namespace halftone::bench
