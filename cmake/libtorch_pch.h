// The one precompiled header of the LibTorch side; everything below the line reuses it.
#pragma once
#include <torch/torch.h>
