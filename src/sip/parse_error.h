// What the SIP parsers return when bytes are not SIP: a constant text (it becomes the reason phrase
// of the answer), where, and the status of the answer. No allocation.
#pragma once

#include <cstdint>
#include <expected>

namespace causeway::sip {

struct ParseError {
  const char* what = "";       // static text, e.g. "Bad CSeq"
  std::uint32_t offset = 0;    // into the bytes that were parsed
  std::uint16_t status = 400;  // or 505 (another SIP version), 413, 513 (too large)
};

template <class T>
using Parsed = std::expected<T, ParseError>;

inline std::unexpected<ParseError> bad(const char* what, std::size_t offset = 0) {
  return std::unexpected(ParseError{what, static_cast<std::uint32_t>(offset)});
}

}  // namespace causeway::sip
