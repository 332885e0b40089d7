#include "halftone/runtime/kernels/tap_runs.h"

namespace halftone::runtime {

std::vector<TapRow> tap_rows(const Convolution& problem) {
  const Window& window = problem.window;
  std::vector<TapRow> rows;
  const bool are_adjacent = problem.groups == 1 && (window.dilation_x == 1 || window.width == 1);
  for (int64_t y = 0; y < window.height; ++y) {
    if (are_adjacent) {
      rows.push_back({y, 0, (window.width - 1) * channel_pitch(problem.inputs) + problem.inputs});
      continue;
    }
    for (int64_t x = 0; x < window.width; ++x) rows.push_back({y, x, problem.group_inputs()});
  }
  return rows;
}

int16_t weight_at(const Convolution& problem, int64_t output, const TapRow& row, int64_t element) {
  if (element >= row.elements) return 0;
  const int64_t pitch = channel_pitch(problem.inputs);
  const bool is_within_tap = row.elements <= problem.group_inputs();
  const int64_t x = is_within_tap ? row.x : element / pitch;
  const int64_t channel = is_within_tap ? element : element % pitch;
  if (channel >= problem.group_inputs()) return 0;
  return problem.tap(output, row.y * problem.window.width + x)[channel];
}

std::vector<Stretch> whole_rows(const Convolution& problem, int64_t step_elements) {
  std::vector<Stretch> walk;
  for (const TapRow& row : tap_rows(problem))
    walk.push_back({row, 0, (row.elements + step_elements - 1) / step_elements});
  return walk;
}

}  // namespace halftone::runtime
