// What the readers of SDP share: words with one space between them, and numbers that are nothing but digits.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

#include "sip/scan.h"

namespace causeway::ua {

// Takes the text before the next `end` off the front of `text`, and `end` with it.
inline std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

// The next word; empty at the end.
inline std::string_view take_word(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return take_until(text, ' ');
}

// The same, but for the case of letters.
inline bool is_same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, sip::scan::lower, sip::scan::lower);
}

// ice-char (RFC 8839 5.1) alone, from `least` to `most` of them.
inline bool is_ice_text(std::string_view text, std::size_t least, std::size_t most) {
  return text.size() >= least && text.size() <= most && std::ranges::all_of(text, [](char c) {
           return sip::scan::is_alpha(c) || sip::scan::is_digit(c) || c == '+' || c == '/';
         });
}

// All of `text`, as digits: nothing if there is anything else, or if it does not fit.
template <std::unsigned_integral Number>
std::optional<Number> number_in(std::string_view text) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || at != end) return std::nullopt;
  return number;
}

}  // namespace causeway::ua
