#include "halftone/data/class_list.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "halftone/base/error.h"
#include "halftone/data/file_bytes.h"

namespace halftone {
namespace {

constexpr int64_t kMostClasses =
    1 << 24;  // a slip of the finger would else size every per-class table

// What stands before the next `end`, which is taken away with it.
std::string_view take_until(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

}  // namespace

const ClassList::Entry* ClassList::find(const std::string& folder) const {
  const auto found = by_folder.find(folder);
  return found == by_folder.end() ? nullptr : &found->second;
}

ClassList parse_class_list(std::string_view content, const std::string& file) {
  ClassList classes;
  std::set<int64_t> indices;
  for (size_t line = 1; !content.empty(); ++line) {
    std::string_view rest = take_until(content, '\n');
    if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
    if (rest.empty() || rest.front() == '#') continue;
    const auto fail = [&](const auto&... parts) {
      throw Error("class list '", file, "', line ", line, ": ", parts...);
    };
    const std::string_view number = take_until(rest, '\t');
    const std::string folder(take_until(rest, '\t'));
    int64_t index = -1;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), index);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == number.data() + number.size();
    if (!is_number && line == 1) continue;
    if (!is_number || index < 0 || index >= kMostClasses || folder.empty())
      fail("index, folder and name, separated by tabs, are expected");
    if (!indices.insert(index).second) fail("index ", index, " stands twice");
    if (!classes.by_folder.emplace(folder, ClassList::Entry{index, folder, std::string(rest)})
             .second)
      fail("folder '", folder, "' stands twice");
    classes.count = std::max(classes.count, static_cast<size_t>(index) + 1);
  }
  if (classes.count == 0) throw Error("class list '", file, "' names no class");
  return classes;
}

ClassList read_class_list(const std::filesystem::path& path) {
  const auto bytes = FileBytes::open(path)->read_all();
  return parse_class_list({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                          path.string());
}

}  // namespace halftone
