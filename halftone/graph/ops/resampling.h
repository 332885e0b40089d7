// One axis of Resize: which input positions every output position reads, and with what weights.
// Resizing is separable, so that a tensor is resampled axis by axis.
#pragma once

#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// How Resize resamples; the names and defaults of its attributes.
struct ResamplingOptions {
  std::string mode = "nearest";
  std::string coordinates = "half_pixel";
  std::string nearest_mode = "round_prefer_floor";
  double cubic_coefficient = -0.75;
  bool is_antialiased = false;
  bool excludes_outside = false;
};
// Throws Error where a name is not known.
ResamplingOptions resampling_options(const Node& node);

struct ResampledAxis {
  int64_t input = 1, output = 1;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;  // of tf_crop_and_resize, in parts of the axis

  bool stays() const { return scale == 1 && output == input && roi_begin == 0 && roi_end == 1; }
};

struct Tap {
  int64_t position;
  double weight;
};
// The taps of one output position; none where it lies outside the region of tf_crop_and_resize and
// is extrapolated.
std::vector<Tap> taps_of(const ResampledAxis& axis, int64_t output,
                         const ResamplingOptions& options);

}  // namespace halftone
