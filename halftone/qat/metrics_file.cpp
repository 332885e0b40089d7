#include "halftone/qat/metrics_file.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace halftone {

constexpr const char* kColumns = "event,epoch,step,loss,top1,learning_rate,images_per_second\n";

MetricsFile::MetricsFile(std::string path)
    : path_(std::move(path)), is_csv_(path_.ends_with(".csv")) {
  if (is_csv_) content_ = kColumns;
}

void MetricsFile::restore(const std::string& content) {
  if (path_.empty() || content.empty()) return;
  if (content.starts_with(kColumns) != is_csv_)
    throw Error("the checkpoint keeps metrics as ", is_csv_ ? "JSON lines" : "columns", ", and '",
                path_, "' would hold ", is_csv_ ? "columns" : "JSON lines",
                "; give --metrics a name ", is_csv_ ? "without" : "with", " .csv");
  content_ = content;
  write(content_, true);
}

void MetricsFile::add(const MetricsLine& line) {
  if (path_.empty()) return;
  std::string row;
  if (is_csv_) {
    row = text(line.event, ",", line.epoch, ",", line.step, ",", line.loss, ",",
               line.top1 < 0 ? "" : std::to_string(line.top1), ",", line.learning_rate, ",",
               line.images_per_second, "\n");
  } else {
    nlohmann::ordered_json json{{"event", line.event},
                                {"epoch", line.epoch},
                                {"step", line.step},
                                {"loss", line.loss},
                                {"learning_rate", line.learning_rate},
                                {"images_per_second", line.images_per_second}};
    if (line.top1 >= 0) json["top1"] = line.top1;
    row = json.dump() + "\n";
  }
  content_ += row;
  // The first line replaces what an earlier training left.
  write(is_begun_ ? row : content_, !is_begun_);
}

void MetricsFile::write(const std::string& content, bool is_new) {
  is_begun_ = true;
  std::ofstream file(path_, is_new ? std::ios::trunc : std::ios::app);
  file << content;
  if (!file.flush()) throw Error("cannot write the metrics file '", path_, "'");
}

}  // namespace halftone
