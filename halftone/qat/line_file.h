// A text file that grows line by line as a long job goes, and goes on after a resume: what was
// written behind the checkpoint's last moment is gone again.
//
//   LineFile file("metrics.csv", "the metrics file");
//   file.add("1,0.5\n");
//   checkpoint.write("metrics", file.content());
#pragma once

#include <string>

namespace halftone {

class LineFile {
 public:
  // path empty: nothing is written, but content() is kept. what: for messages. What is there is
  // replaced by the first line.
  LineFile(std::string path, std::string what);

  // line: with its end. It is written at once. Throws Error where it cannot be.
  void add(const std::string& line);
  const std::string& content() const { return content_; }
  // Goes on behind what an earlier process had written up to its checkpoint.
  void restore(const std::string& content);

 private:
  void write(const std::string& text, bool is_new);

  std::string path_, what_, content_;
  bool is_begun_ = false;
};

}  // namespace halftone
