// What may stand as a domain, a user and a URI of the overlay, and in what form.
#include <algorithm>

#include "base/limits.h"
#include "identity/credential.h"

namespace causeway::identity {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z'); }

// RFC 3261 25.1: an escape of one of these says the same as the character itself.
bool is_unreserved(char c) {
  return is_alnum(c) || std::string_view("-_.!~*'()").find(c) != std::string_view::npos;
}
bool is_user_char(char c) {
  return is_unreserved(c) || std::string_view("&=+$,;?/").find(c) != std::string_view::npos;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;  // normal form: upper case only
  return -1;
}

bool is_user_text(std::string_view user) {
  if (user.empty() || user.size() > limits::kMaxUserPart) return false;
  for (std::size_t i = 0; i < user.size(); ++i) {
    if (is_user_char(user[i])) continue;
    if (user[i] != '%' || i + 2 >= user.size()) return false;
    int high = hex_value(user[i + 1]), low = hex_value(user[i + 2]);
    if (high < 0 || low < 0 || is_unreserved(static_cast<char>(high << 4 | low))) return false;
    i += 2;
  }
  return true;
}

base::Status check_label(std::string_view label, std::string_view name) {
  if (label.empty()) return base::fail("expected a domain name, found '{}', which has an empty label", name);
  if (label.size() > 63)
    return base::fail("expected labels of at most 63 characters, found '{}' in '{}'", label, name);
  bool ldh = std::ranges::all_of(label, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  if (!ldh || label.front() == '-' || label.back() == '-')
    return base::fail(
        "expected letters, digits and inner hyphens in a domain name, found '{}' in '{}' "
        "(names in other scripts: write their xn-- form)",
        label, name);
  return {};
}

}  // namespace

base::Result<std::string> parse_domain(std::string_view text) {
  std::string name(text.substr(0, limits::kMaxDomain + 1));
  if (name.ends_with('.')) name.pop_back();
  if (name.size() > limits::kMaxDomain || text.size() > limits::kMaxDomain + 1)
    return base::fail(
        "expected a domain name of at most {} characters (peers are named PEERID.peers.D), found {}",
        limits::kMaxDomain, text.size());
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  std::size_t labels = 0;
  std::string_view last;
  for (std::string_view rest = name;;) {
    std::size_t dot = rest.find('.');
    last = rest.substr(0, dot);
    if (auto ok = check_label(last, name); !ok) return std::unexpected(ok.error());
    ++labels;
    if (dot == rest.npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (labels < 2)
    return base::fail("expected a fully qualified domain name such as {0}.example.org, found '{0}'", name);
  if (std::ranges::all_of(last, is_digit))
    return base::fail("expected a domain name, found '{}', which ends in a number like an IP address", name);
  return name;
}

bool is_user_part(std::string_view user) { return is_user_text(user) && user.front() != '_'; }

std::optional<OverlayUri> parse_overlay_uri(std::string_view uri) {
  OverlayUri out;
  std::size_t colon = uri.find(':');
  if (colon == uri.npos || colon == 0) return std::nullopt;
  out.scheme = uri.substr(0, colon);
  if (!std::ranges::all_of(out.scheme, is_lower)) return std::nullopt;
  out.domain = uri.substr(colon + 1);
  if (std::size_t at = out.domain.find('@'); at != uri.npos) {
    out.user = out.domain.substr(0, at);
    out.domain.remove_prefix(at + 1);
    if (out.scheme != "sip" || !is_user_text(out.user)) return std::nullopt;
    if (out.user.front() == '_') {
      out.peer = PeerId::parse(out.user.substr(1));
      if (!out.peer || out.peer->text() != out.user.substr(1)) return std::nullopt;
    }
  }
  auto domain = parse_domain(out.domain);
  if (!domain || *domain != out.domain) return std::nullopt;
  return out;
}

}  // namespace causeway::identity
