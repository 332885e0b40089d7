// What a training tells as it goes, line by line in a file.
#pragma once

#include <cstdint>
#include <string>

#include "halftone/qat/line_file.h"

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

// Columns of a .csv file, else an object a line.
class MetricsFile {
 public:
  // path empty: nothing is written.
  explicit MetricsFile(const std::string& path);
  void add(const MetricsLine& line);
  const std::string& content() const { return file_.content(); }
  // As LineFile's. Throws Error where the content has the other form.
  void restore(const std::string& content);

 private:
  std::string path_;
  bool is_csv_;
  LineFile file_;
};

}  // namespace halftone
