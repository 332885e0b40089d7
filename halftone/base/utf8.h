// Text that comes from files and goes to people.
#pragma once

#include <string>
#include <string_view>

namespace halftone {

// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

// The text with every byte that is not part of well-formed UTF-8, and every control character but
// newline and tab, as '?'.
std::string printable(std::string_view text);

}  // namespace halftone
