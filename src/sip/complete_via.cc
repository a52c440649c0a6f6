#include "sip/complete_via.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace causeway::sip {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// The value of the line at `at` if that is a Via line ("Via" or "v", RFC 3261 7.3.3), folds included.
std::optional<std::string_view> via_value(std::string_view message, std::size_t at) {
  std::size_t name_end = at;
  while (name_end < message.size() && message[name_end] != ':' && !is_blank(message[name_end]) &&
         message[name_end] != '\n' && name_end - at < 4)
    ++name_end;
  const auto name = message.substr(at, name_end - at);
  if (!same_text(name, "via") && !same_text(name, "v")) return std::nullopt;
  while (name_end < message.size() && is_blank(message[name_end])) ++name_end;
  if (name_end >= message.size() || message[name_end] != ':') return std::nullopt;
  std::size_t end = name_end + 1;
  do {
    end = message.find('\n', end);
    if (end == std::string_view::npos) return std::nullopt;
    ++end;
  } while (end < message.size() && is_blank(message[end]));
  std::string_view value = message.substr(name_end + 1, end - name_end - 1);
  while (!value.empty() && (is_blank(value.front()) || value.front() == '\r' || value.front() == '\n'))
    value.remove_prefix(1);
  while (!value.empty() && (is_blank(value.back()) || value.back() == '\r' || value.back() == '\n'))
    value.remove_suffix(1);
  return value;
}

// Calls f for each parameter of ";a;b=c", with its ';'. A ';' inside quotes is no boundary.
template <class F>
void for_each_param(std::string_view params, F&& f) {
  if (params.find('"') == params.npos) {
    while (!params.empty()) {
      const std::size_t end = std::min(params.find(';', 1), params.size());
      f(params.substr(0, end));
      params.remove_prefix(end);
    }
    return;
  }
  std::size_t from = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= params.size(); ++i) {
    if (i < params.size() && quoted && params[i] == '\\') {
      ++i;
      continue;
    }
    if (i < params.size() && params[i] == '"') quoted = !quoted;
    if (i < params.size() && (quoted || params[i] != ';' || i == from)) continue;
    if (i > from) f(params.substr(from, i - from));
    from = i;
  }
}

// Numeric, without brackets (RFC 3261 25.1: received). Not by Ip::text(): its string may be on the heap.
char* write_ip(const net::Ip& ip, char* to) {
  if (ip.is_v4()) {
    for (int i = 0; i < 4; ++i) {
      if (i) *to++ = '.';
      to = std::to_chars(to, to + 3, ip.bytes()[static_cast<std::size_t>(i)]).ptr;
    }
    return to;
  }
  inet_ntop(AF_INET6, ip.bytes().data(), to, INET6_ADDRSTRLEN);
  return to + std::strlen(to);
}

bool is_param(std::string_view param, std::string_view name) {
  param.remove_prefix(1);
  while (!param.empty() && (is_blank(param.front()) || param.front() == '\r' || param.front() == '\n'))
    param.remove_prefix(1);
  if (!same_text(param.substr(0, name.size()), name)) return false;
  param.remove_prefix(name.size());
  return param.empty() || param[0] == '=' || is_blank(param[0]) || param[0] == '\r' || param[0] == '\n';
}

// Nothing else stands in the line of `value`, and it is not folded.
bool ends_line(std::string_view message, std::string_view value) {
  const std::size_t end = static_cast<std::size_t>(value.data() + value.size() - message.data());
  return message.size() - end > 2 && message[end] == '\r' && message[end + 1] == '\n' &&
         !is_blank(message[end + 2]);
}

}  // namespace

std::optional<Via> find_top_via(std::string_view message) {
  for (std::size_t end = message.find('\n'); end != std::string_view::npos;
       end = message.find('\n', end + 1)) {
    const std::size_t at = end + 1;
    if (at >= message.size() || message[at] == '\r' || message[at] == '\n') return std::nullopt;
    if ((message[at] | 0x20) != 'v') continue;
    if (message.substr(at).starts_with("Via: "))
      if (auto via = usual_via(message.substr(at + 5)); via && ends_line(message, via->text)) return via;
    const auto field = via_value(message, at);
    if (!field) continue;
    const auto first = split_first(*field);
    if (!first) return std::nullopt;
    auto via = parse_via(first->first);
    if (!via) return std::nullopt;
    return *via;
  }
  return std::nullopt;
}

bool needs_source(const Via& via, const net::Address& source) {
  if (via.has_rport || via.has_received) return true;
  const auto host = net::Ip::parse(via.host);
  return !host || *host != source.ip;
}

std::string_view complete_via(std::string_view message, const Via& via, const net::Address& source,
                              std::span<char> scratch) {
  char* to = scratch.data();
  const auto put = [&](std::string_view text) {
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    to += text.size();
  };
  const std::string_view params = via.params.text;
  const char* via_end = via.text.data() + via.text.size();
  const char* params_at = params.empty() ? via_end : params.data();
  put({message.data(), static_cast<std::size_t>(params_at - message.data())});
  for_each_param(params, [&](std::string_view param) {
    if (!is_param(param, "received") && !is_param(param, "rport")) put(param);
  });
  put(";received=");
  to = write_ip(source.ip, to);
  if (via.has_rport) {
    put(";rport=");
    to = std::to_chars(to, to + 5, source.port).ptr;
  }
  put({via_end, static_cast<std::size_t>(message.data() + message.size() - via_end)});
  return {scratch.data(), static_cast<std::size_t>(to - scratch.data())};
}

}  // namespace causeway::sip
