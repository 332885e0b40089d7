// The classes of a labelled image folder: which folder has which index.
//
//   ClassList classes = read_class_list("imagenet-classes.tsv");
//   const ClassList::Entry* entry = classes.find("n01440764");    // {0, "n01440764", "tench"}
//
// The file has one class a line: index, folder, name, separated by tabs; the name may be left out.
// Empty lines, lines that start with '#', and a first line whose index is no number (a heading) are
// passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace halftone {

struct ClassList {
  struct Entry {
    int64_t index;
    std::string folder;
    std::string name;
  };
  std::map<std::string, Entry> by_folder;
  size_t count = 0;  // highest index + 1

  const Entry* find(const std::string& folder) const;  // nullptr where it is not listed
};

// Throws Error naming file and line where a line is malformed, or an index or folder stands twice.
ClassList parse_class_list(std::string_view text, const std::string& file);
ClassList read_class_list(const std::filesystem::path& path);

}  // namespace halftone
