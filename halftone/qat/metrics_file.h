// What a training tells as it goes, line by line in a file.
#pragma once

#include <cstdint>
#include <string>

#include "halftone/base/error.h"

namespace halftone {

struct MetricsLine {
  int epoch = 0;
  uint64_t step = 0;
  double loss = 0;
  double top1 = -1;  // percent; negative: no labels
  double learning_rate = 0;
  double images_per_second = 0;
  std::string event = "step";  // step, epoch
};

// Columns of a .csv file, else an object a line. Every line is written at once.
class MetricsFile {
 public:
  // path empty: nothing is written. What is there is replaced by the first line.
  explicit MetricsFile(std::string path);
  void add(const MetricsLine& line);
  const std::string& content() const { return content_; }
  // Goes on behind what an earlier process had written up to its checkpoint. Throws Error where that
  // has the other form.
  void restore(const std::string& content);

 private:
  void write(const std::string& text, bool is_new);
  std::string path_, content_;
  bool is_csv_ = false, is_begun_ = false;
};

}  // namespace halftone
