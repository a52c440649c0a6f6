// A SIP message as test scripts see it: a start line, header lines, a body. Simple, and apart from the
// parser under test.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::sip::testing {

inline bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i])))
      return false;
  return true;
}

struct TextMessage {
  std::string start;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string raw;
  long at = 0;  // milliseconds of the conversation

  static TextMessage parse(std::string_view bytes) {
    TextMessage message;
    message.raw = bytes;
    std::size_t at = 0;
    for (bool first = true; at < bytes.size(); first = false) {
      auto end = bytes.find("\r\n", at);
      if (end == bytes.npos) end = bytes.size();
      const std::string_view line = bytes.substr(at, end - at);
      at = end + 2;
      if (first) {
        message.start = line;
        continue;
      }
      if (line.empty()) break;
      const auto colon = line.find(':');
      if (colon == line.npos) continue;
      const auto value = line.find_first_not_of(' ', colon + 1);
      message.headers.emplace_back(line.substr(0, colon), value == line.npos ? "" : line.substr(value));
    }
    if (at < bytes.size()) message.body = bytes.substr(at);
    return message;
  }

  std::string text() const {
    std::string out = start + "\r\n";
    for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
    return out + "\r\n" + body;
  }

  bool is_request() const { return !start.starts_with("SIP/"); }
  std::string method() const {  // of a response: the one in its CSeq
    if (is_request()) return start.substr(0, start.find(' '));
    const std::string cseq = get("CSeq");
    const auto space = cseq.find(' ');
    return space == cseq.npos ? "" : cseq.substr(space + 1);
  }
  std::string status() const { return is_request() ? "" : start.substr(8, 3); }
  std::string uri() const {
    const auto from = start.find(' ');
    return is_request() ? start.substr(from + 1, start.rfind(' ') - from - 1) : "";
  }

  // All values of a header, in order; get() is the first.
  std::vector<std::string> all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& header : headers)
      if (same_name(header.first, name)) values.push_back(header.second);
    return values;
  }
  std::string get(std::string_view name) const {
    for (const auto& header : headers)
      if (same_name(header.first, name)) return header.second;
    return "";
  }
  bool has(std::string_view name) const { return !all(name).empty(); }
  void remove(std::string_view name) {
    std::erase_if(headers, [&](const auto& header) { return same_name(header.first, name); });
  }
  void add(std::string name, std::string value) { headers.emplace_back(std::move(name), std::move(value)); }
};

}  // namespace causeway::sip::testing
