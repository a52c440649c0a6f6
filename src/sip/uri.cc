#include "sip/uri.h"

#include <cstring>

#include "sip/scan.h"

namespace causeway::sip {
namespace {

using scan::is;

// The first character of `text` that is neither of the class nor part of an escape; size() if none.
std::size_t span_of(std::string_view text, int bits) {
  std::size_t i = 0;
  while (i < text.size()) {
    if (is(text[i], bits)) {
      ++i;
    } else if (text[i] == '%' && text.size() - i > 2 && is(text[i + 1], scan::kHex) &&
               is(text[i + 2], scan::kHex)) {
      i += 3;
    } else {
      break;
    }
  }
  return i;
}

// Reads host and port from the front of `rest`.
const char* take_host_port(std::string_view& rest, Uri& uri) {
  std::size_t n = 0;
  if (!rest.empty() && rest.front() == '[') {
    for (n = 1; n < rest.size() && (is(rest[n], scan::kHex) || rest[n] == ':' || rest[n] == '.'); ++n) {
    }
    if (n < 4 || n > 46 || n == rest.size() || rest[n] != ']') return "Bad IPv6 address in URI";
    ++n;
  } else {
    while (n < rest.size() && is(rest[n], scan::kHost)) ++n;
    if (n == 0) return "No host in URI";
    if (n > 255) return "Host too long in URI";
  }
  uri.host = rest.substr(0, n);
  rest.remove_prefix(n);
  if (rest.empty() || rest.front() != ':') return nullptr;
  rest.remove_prefix(1);
  std::uint64_t port = 0;
  if (!scan::take_number(rest, 1 << 20, port) || port == 0 || port > 65535) return "Bad port in URI";
  uri.port = static_cast<std::uint16_t>(port);
  return nullptr;
}

Parsed<Uri> parse_sip(Uri uri, std::string_view rest) {
  const char* begin = uri.text.data();
  auto offset = [&] { return static_cast<std::size_t>(rest.data() - begin); };
  if (const void* at = std::memchr(rest.data(), '@', rest.size())) {
    std::string_view info = rest.substr(0, static_cast<const char*>(at) - rest.data());
    std::size_t n = span_of(info, scan::kUser);
    uri.has_user = true;
    uri.user = info.substr(0, n);
    if (n == 0) return bad("No user before @ in URI", offset());
    if (n < info.size()) {
      if (info[n] != ':') return bad("Bad character in user of URI", offset() + n);
      uri.password = info.substr(n + 1);
      std::size_t m = span_of(uri.password, scan::kUser);
      if (m < uri.password.size()) return bad("Bad character in password of URI", offset() + n + 1 + m);
    }
    rest.remove_prefix(info.size() + 1);
  }
  if (const char* what = take_host_port(rest, uri)) return bad(what, offset());
  if (!rest.empty() && rest.front() == ';') {
    rest.remove_prefix(1);
    uri.params = rest.substr(0, span_of(rest, scan::kParam));
    rest.remove_prefix(uri.params.size());
  }
  if (!rest.empty() && rest.front() == '?') {
    rest.remove_prefix(1);
    uri.headers = rest.substr(0, span_of(rest, scan::kHeader));
    rest.remove_prefix(uri.headers.size());
  }
  if (!rest.empty()) return bad("Bad character in URI", offset());
  return uri;
}

// tel: and schemes that are only carried.
Parsed<Uri> parse_other(Uri uri, std::string_view rest) {
  if (rest.empty()) return bad("Nothing after the scheme of URI", uri.text.size());
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const auto c = static_cast<unsigned char>(rest[i]);
    if (c <= 0x20 || c == 0x7f || c == '<' || c == '>' || c == '"')
      return bad("Bad character in URI", uri.scheme.size() + 1 + i);
  }
  if (same_text(uri.scheme, "tel")) {
    std::size_t n = std::min(rest.find(';'), rest.size());
    uri.user = rest.substr(0, n);
    uri.has_user = true;
    if (n < rest.size()) uri.params = rest.substr(n + 1);
  }
  return uri;
}

int hex_value(char c) { return scan::is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10; }

// One character of escaped text. RFC 3261 19.1.4: a character is equal to its escape unless it is
// in the reserved set of RFC 2396, so an escaped reserved one has a code of its own.
int next_code(std::string_view& text) {
  if (text.front() != '%' || text.size() < 3) {
    int c = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    return c;
  }
  int c = hex_value(text[1]) * 16 + hex_value(text[2]);
  text.remove_prefix(3);
  constexpr std::string_view kReserved = ";/?:@&=+$,";
  return c != 0 && kReserved.find(static_cast<char>(c)) != kReserved.npos ? c + 256 : c;
}

bool same_escaped(std::string_view a, std::string_view b, bool fold_case) {
  while (!a.empty() && !b.empty()) {
    int x = next_code(a), y = next_code(b);
    if (x == y) continue;
    if (!fold_case || x > 127 || y > 127) return false;
    if (scan::lower(static_cast<char>(x)) != scan::lower(static_cast<char>(y))) return false;
  }
  return a.empty() && b.empty();
}

struct Pair {
  std::string_view name, value;
  bool has_value = false;
};

// The next "name=value" of a list; empty ones are passed over.
bool next_pair(std::string_view& rest, char separator, Pair& pair) {
  while (!rest.empty()) {
    std::size_t n = std::min(rest.find(separator), rest.size());
    std::string_view item = rest.substr(0, n);
    rest.remove_prefix(std::min(n + 1, rest.size()));
    if (item.empty()) continue;
    std::size_t equals = item.find('=');
    pair.has_value = equals != item.npos;
    pair.name = item.substr(0, equals);
    pair.value = pair.has_value ? item.substr(equals + 1) : std::string_view{};
    return true;
  }
  return false;
}

bool find_pair(std::string_view list, char separator, std::string_view name, Pair& found) {
  while (next_pair(list, separator, found))
    if (same_escaped(found.name, name, true)) return true;
  return false;
}

// Every parameter of `a` that `b` has too must agree; those that decide where a request goes must not
// stand in `a` alone. (transport: by the examples of 19.1.4.)
bool params_agree(std::string_view a, std::string_view b) {
  Pair pair, other;
  while (next_pair(a, ';', pair)) {
    if (find_pair(b, ';', pair.name, other)) {
      if (!same_escaped(pair.value, other.value, true)) return false;
      continue;
    }
    for (std::string_view decisive : {"user", "ttl", "method", "maddr", "transport"})
      if (same_escaped(pair.name, decisive, true)) return false;
  }
  return true;
}

bool headers_within(std::string_view a, std::string_view b) {
  Pair pair, other;
  while (next_pair(a, '&', pair)) {
    if (!find_pair(b, '&', pair.name, other)) return false;
    if (!same_escaped(pair.value, other.value, false)) return false;
  }
  return true;
}

}  // namespace

bool same_letters(const char* a, const char* b, std::size_t n) {
  std::size_t i = 0;
  for (; n - i >= 8; i += 8) {  // mostly the case is the same, too
    std::uint64_t x, y;
    std::memcpy(&x, a + i, 8);
    std::memcpy(&y, b + i, 8);
    if (x != y) break;
  }
  for (; i < n; ++i)
    if (a[i] != b[i] && scan::lower(a[i]) != scan::lower(b[i])) return false;
  return true;
}

std::optional<std::string_view> Uri::param(std::string_view name) const {
  std::string_view rest = params;
  Pair pair;
  while (next_pair(rest, ';', pair))
    if (same_text(pair.name, name)) return pair.value;
  return std::nullopt;
}

Parsed<Uri> parse_uri(std::string_view text) {
  Uri uri;
  uri.text = text;
  std::size_t n = 0;
  while (n < text.size() &&
         (scan::is_alpha(text[n]) ||
          (n > 0 && (scan::is_digit(text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.'))))
    ++n;
  if (n == 0 || n == text.size() || text[n] != ':') return bad("No scheme in URI", n);
  uri.scheme = text.substr(0, n);
  std::string_view rest = text.substr(n + 1);
  uri.is_sips = n == 4 && same_text(uri.scheme, "sips");
  uri.is_sip = uri.is_sips || (n == 3 && same_text(uri.scheme, "sip"));
  return uri.is_sip ? parse_sip(uri, rest) : parse_other(uri, rest);
}

bool equivalent(const Uri& a, const Uri& b) {
  if (a.text == b.text) return true;
  if (a.is_sip != b.is_sip || a.is_sips != b.is_sips) return false;
  if (!a.is_sip) return false;
  return a.has_user == b.has_user && a.port == b.port && same_text(a.host, b.host) &&
         same_escaped(a.user, b.user, false) && same_escaped(a.password, b.password, false) &&
         params_agree(a.params, b.params) && params_agree(b.params, a.params) &&
         headers_within(a.headers, b.headers) && headers_within(b.headers, a.headers);
}

std::string address_of_record(const Uri& uri) {
  if (!uri.is_sip) return std::string(uri.text);
  std::string key = "sip:";
  key.reserve(key.size() + uri.user.size() + 1 + uri.host.size());
  for (std::string_view rest = uri.user; !rest.empty();) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    const bool escaped = rest.front() == '%';
    const int c = next_code(rest) & 255;
    if (!escaped || is(static_cast<char>(c), scan::kUnreserved)) {
      key += static_cast<char>(c);
    } else {
      key += {'%', kDigits[c >> 4], kDigits[c & 15]};
    }
  }
  if (uri.has_user) key += '@';
  for (char c : uri.host) key += scan::lower(c);
  return key;
}

std::string_view plain_user(const Uri& uri, std::string& room) {
  if (uri.user.find('%') == std::string_view::npos) return uri.user;
  room = address_of_record(uri);
  const auto begin = room.find(':') + 1, end = room.rfind('@');
  return std::string_view(room).substr(begin, end - begin);
}

}  // namespace causeway::sip
