// The little of SIP's grammar that the generator reads. It trusts the servers that it measures: header names
// as it wrote them itself, one value a line.
#pragma once

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace load {

// Calls `f(value)` for every header line of this name, in the order in which they stand.
template <class F>
void for_each_header(std::string_view message, std::string_view name, F&& f) {
  std::string_view rest = message.substr(0, message.find("\r\n\r\n") + 2);
  for (auto end = rest.find("\r\n"); end != std::string_view::npos; end = rest.find("\r\n")) {
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line.starts_with(name) && line.size() > name.size() + 1 && line[name.size()] == ':')
      f(line.substr(line[name.size() + 1] == ' ' ? name.size() + 2 : name.size() + 1));
  }
}

// The first of them, or nothing.
inline std::string_view header(std::string_view message, std::string_view name) {
  std::string_view found;
  for_each_header(message, name, [&](std::string_view value) {
    if (found.empty()) found = value;
  });
  return found;
}

inline int status_of(std::string_view message) {
  int status = 0;  // 0: a request
  if (message.starts_with("SIP/2.0 ") && message.size() > 11)
    std::from_chars(message.data() + 8, message.data() + 11, status);
  return status;
}

// Between < and >.
inline std::string_view uri_in(std::string_view name_addr) {
  const auto begin = name_addr.find('<'), end = name_addr.find('>');
  if (begin == std::string_view::npos || end == std::string_view::npos) return name_addr;
  return name_addr.substr(begin + 1, end - begin - 1);
}

// Writes the texts one after another behind what is there.
inline std::string_view add(std::string& to, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts) to.append(part);
  return to;
}
inline std::string_view put(std::string& to, std::initializer_list<std::string_view> parts) {
  to.clear();
  return add(to, parts);
}

// Exactly so many digits.
inline void put_digits(char* to, std::size_t count, std::uint32_t number) {
  for (; count > 0; number /= 10) to[--count] = static_cast<char>('0' + number % 10);
}

// Two numbers "A.B" at the beginning of a Call-ID that the generator has made.
inline bool two_numbers(std::string_view text, std::uint32_t& a, std::uint32_t& b) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, a);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return false;
  return std::from_chars(first.ptr + 1, end, b).ec == std::errc();
}

}  // namespace load
