#include "halftone/qat/line_file.h"

#include <fstream>
#include <utility>

#include "halftone/base/error.h"

namespace halftone {

LineFile::LineFile(std::string path, std::string what)
    : path_(std::move(path)), what_(std::move(what)) {}

void LineFile::add(const std::string& line) {
  content_ += line;
  if (path_.empty()) return;
  write(is_begun_ ? line : content_, !is_begun_);
}

void LineFile::restore(const std::string& content) {
  content_ = content;
  if (!path_.empty() && !content.empty()) write(content_, true);
}

void LineFile::write(const std::string& text, bool is_new) {
  is_begun_ = true;
  std::ofstream file(path_, is_new ? std::ios::trunc : std::ios::app);
  file << text;
  if (!file.flush()) throw Error("cannot write ", what_, " '", path_, "'");
}

}  // namespace halftone
