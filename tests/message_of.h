// The text of the Error that a call throws, for tests of error texts.
//
//   EXPECT_THAT(message_of([&] { open(path); }), HasSubstr(path));
#pragma once

#include <string>

#include "halftone/base/error.h"

namespace halftone {

// "no error" where the call returns.
template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace halftone
