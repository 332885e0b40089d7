// The one exception of halftone, and how its message is built.
//
//   throw Error("quantizing weight '", name, "': per-channel axis ", axis, " is out of range 0..",
//   rank - 1);
//
// A message says what was being done, where (file, tensor, site, line), what was found, and what to
// do about it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace halftone {

// Writes the parts one after another, as operator<< would.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

class Error : public std::runtime_error {
 public:
  template <typename... Parts>
  explicit Error(const Parts&... parts) : std::runtime_error(text(parts...)) {}
};

// A wrong command line or option value: the command line ends with exit code 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace halftone
