// Named things that register themselves: operators, quantization methods, command-line verbs.
//
//   HALFTONE_REGISTER(PtqMethod, "minmax", "Range of the values seen", "", make_minmax);   // at
//   the end of minmax.cpp const PtqMethod& method = Registry<PtqMethod>::get("minmax");
//
// An entry is an aggregate whose first member is `std::string name` and which has a `static
// constexpr const char* kKind` used in messages ("method", "operator"). Entries are added before
// main() and never change afterwards.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "halftone/base/error.h"

namespace halftone {

template <typename Entry>
class Registry {
 public:
  // nullptr where no entry has that name.
  static const Entry* find(const std::string& name) {
    auto found = entries().find(name);
    return found == entries().end() ? nullptr : &found->second;
  }

  // Throws UsageError that lists the known names.
  static const Entry& get(const std::string& name) {
    if (const Entry* entry = find(name)) return *entry;
    std::string known;
    for (const auto& [other, entry] : entries()) known += (known.empty() ? "" : ", ") + other;
    throw UsageError("unknown ", Entry::kKind, " '", name, "'; known are: ", known);
  }

  // All entries, ordered by name.
  static const std::map<std::string, Entry>& all() { return entries(); }

  static bool add(Entry entry) {
    std::string name = entry.name;
    if (!entries().emplace(name, std::move(entry)).second)
      throw Error("two registrations of ", Entry::kKind, " '", name, "'");
    return true;
  }

 private:
  static std::map<std::string, Entry>& entries() {
    static std::map<std::string, Entry> map;
    return map;
  }
};

}  // namespace halftone

#define HALFTONE_CONCAT_(a, b) a##b
#define HALFTONE_CONCAT(a, b) HALFTONE_CONCAT_(a, b)
// Adds Entry{...} to Registry<Entry>. The one macro of the project.
#define HALFTONE_REGISTER(Entry, ...)                                            \
  [[maybe_unused]] static const bool HALFTONE_CONCAT(registered_, __COUNTER__) = \
      ::halftone::Registry<Entry>::add(Entry{__VA_ARGS__})
