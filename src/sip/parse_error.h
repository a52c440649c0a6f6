// What the SIP parsers return when bytes are not SIP: a constant text (it becomes the reason phrase
// of a 400) and where. No allocation.
#pragma once

#include <cstdint>
#include <expected>

namespace causeway::sip {

struct ParseError {
  const char* what = "";    // static text, e.g. "Bad CSeq"
  std::uint32_t offset = 0;  // into the bytes that were parsed
};

template <class T>
using Parsed = std::expected<T, ParseError>;

inline std::unexpected<ParseError> bad(const char* what, std::size_t offset = 0) {
  return std::unexpected(ParseError{what, static_cast<std::uint32_t>(offset)});
}

}  // namespace causeway::sip
