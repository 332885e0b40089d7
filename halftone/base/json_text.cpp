#include "halftone/base/json_text.h"

#include "halftone/base/error.h"

namespace halftone {

std::string message_of(const nlohmann::json::exception& error) {
  const std::string what = error.what();  // "[json.exception.parse_error.101] parse error at ..."
  return what.substr(what.find(']') + 2);
}

nlohmann::json parse_json(std::string_view text) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw Error("not JSON: ", message_of(error));
  }
}

}  // namespace halftone
