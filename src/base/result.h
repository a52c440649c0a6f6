// What a function returns that can fail. Nothing in Causeway throws across a module boundary, and
// nothing that reads bytes from the network throws at all.
//
//   Error       for people: one sentence that says what was expected, what came, and where.
//   Result<T>   a T or an Error.
//
// Parsers on the hot path use std::expected with a small error of their own (sip/parse_error.h).
#pragma once

#include <expected>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace causeway::base {

struct Error {
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

using Status = Result<void>;

// fail("{}:{}: expected a port, found '{}'", file, line, text)
template <class... Args>
std::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace causeway::base
