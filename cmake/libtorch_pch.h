// The one precompiled header of the LibTorch side. Tensors alone: with torch/torch.h in it every
// file instantiates the templates of torch::nn again, which takes three times as long.
#pragma once
#include <ATen/ATen.h>
