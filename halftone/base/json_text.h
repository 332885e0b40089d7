// JSON that users write: parsed with an error that tells the line and nothing of the library.
//
//   const nlohmann::json root = parse_json(text);
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace halftone {

// What went wrong, without the library's own tag: "parse error at line 1, column 2: ...".
std::string message_of(const nlohmann::json::exception& error);

// Throws Error("not JSON: ...") with the line and column.
nlohmann::json parse_json(std::string_view text);

}  // namespace halftone
