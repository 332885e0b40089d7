#include "halftone/qat/metrics_file.h"

#include <nlohmann/json.hpp>

#include "halftone/base/error.h"

namespace halftone {

constexpr const char* kColumns = "event,epoch,step,loss,top1,learning_rate,images_per_second\n";

MetricsFile::MetricsFile(const std::string& path)
    : path_(path), is_csv_(path.ends_with(".csv")), file_(path, "the metrics file") {}

void MetricsFile::restore(const std::string& content) {
  if (!path_.empty() && !content.empty() && content.starts_with(kColumns) != is_csv_)
    throw Error("the checkpoint keeps metrics as ", is_csv_ ? "JSON lines" : "columns", ", and '",
                path_, "' would hold ", is_csv_ ? "columns" : "JSON lines",
                "; give --metrics a name ", is_csv_ ? "without" : "with", " .csv");
  file_.restore(content);
}

void MetricsFile::add(const MetricsLine& line) {
  if (path_.empty()) return;
  std::string row;
  if (is_csv_) {
    if (file_.content().empty()) row = kColumns;
    row += text(line.event, ",", line.epoch, ",", line.step, ",", line.loss, ",",
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
  file_.add(row);
}

}  // namespace halftone
