#include "sip/headers.h"

#include <algorithm>

#include "sip/scan.h"

namespace causeway::sip {
namespace {

using scan::is_lws;
using scan::trim;
using scan::trim_left;

// The length of the quoted string at the front of `text` with its quotes; 0 if it does not end.
std::size_t quoted_length(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return 0;
}

struct Param {
  std::string_view name, value;
};
enum class Next { param, end, malformed };

// Reads ";name=value" from the front. Values: token, host (with or without brackets, as `received`
// has them) or quoted string. Empty parameters (";;", a ';' at the end) are passed over.
Next next_param(std::string_view& rest, Param& param) {
  for (;;) {
    rest = trim_left(rest);
    if (rest.empty()) return Next::end;
    if (rest.front() != ';') return Next::malformed;
    rest = trim_left(rest.substr(1));
    if (rest.empty()) return Next::end;
    if (rest.front() != ';') break;
  }
  std::size_t n = 0;
  while (n < rest.size() && scan::is(rest[n], scan::kToken)) ++n;
  if (n == 0) return Next::malformed;
  param.name = rest.substr(0, n);
  param.value = {};
  rest.remove_prefix(n);
  std::string_view after = trim_left(rest);
  if (after.empty() || after.front() != '=') return Next::param;
  rest = trim_left(after.substr(1));
  if (!rest.empty() && rest.front() == '"') {
    n = quoted_length(rest);
    if (n == 0) return Next::malformed;
    param.value = rest.substr(1, n - 2);
  } else {
    n = static_cast<std::size_t>(scan::find_value_end(rest.data(), rest.data() + rest.size()) - rest.data());
    param.value = rest.substr(0, n);
  }
  rest.remove_prefix(n);
  return Next::param;
}

// "SIP / 2.0 / UDP": takes `word` and white space around it.
bool take(std::string_view& rest, std::string_view word) {
  rest = trim_left(rest);
  if (rest.size() < word.size() || !same_text(rest.substr(0, word.size()), word)) return false;
  rest = trim_left(rest.substr(word.size()));
  return true;
}

std::string_view take_token(std::string_view& rest) {
  std::size_t n = 0;
  while (n < rest.size() && scan::is(rest[n], scan::kToken)) ++n;
  const std::string_view token = rest.substr(0, n);
  rest.remove_prefix(n);
  return token;
}

// host [COLON port], white space allowed around the colon.
const char* take_sent_by(std::string_view& rest, Via& via) {
  std::size_t n = 0;
  if (!rest.empty() && rest.front() == '[') {
    n = rest.find(']');
    if (n == rest.npos || n < 3) return "Bad IPv6 address in Via";
    for (char c : rest.substr(1, n - 1))
      if (!scan::is(c, scan::kHex) && c != ':' && c != '.') return "Bad IPv6 address in Via";
    ++n;
  } else {
    while (n < rest.size() && scan::is(rest[n], scan::kHost)) ++n;
    if (n == 0) return "No host in Via";
  }
  via.host = rest.substr(0, n);
  rest = trim_left(rest.substr(n));
  if (rest.empty() || rest.front() != ':') return nullptr;
  rest = trim_left(rest.substr(1));
  std::uint64_t port = 0;
  if (!scan::take_number(rest, 1 << 20, port) || port == 0 || port > 65535) return "Bad port in Via";
  via.port = static_cast<std::uint16_t>(port);
  return nullptr;
}

// A name-addr or addr-spec cut in its parts.
struct AddressParts {
  std::string_view display, uri, params;
  bool in_brackets = false;
};

// display-name: tokens, or a quoted string. Bytes over 127 (UTF-8 without quotes) are common.
bool is_display(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == '"') return quoted_length(text) == text.size();
  return std::all_of(text.begin(), text.end(), [](char c) {
    return scan::is(c, scan::kToken) || is_lws(c) || static_cast<unsigned char>(c) > 127;
  });
}

const char* split_address(std::string_view text, AddressParts& parts) {
  text = trim(text);
  const bool quoted = !text.empty() && text.front() == '"';
  std::size_t open = 0;
  if (quoted) {
    const std::size_t n = quoted_length(text);
    if (n == 0) return "Quoted string without an end";
    open = std::min(text.find('<', n), text.size());
  } else {
    // A '<' inside a parameter's quoted string is none.
    while (open < text.size() && text[open] != '<' && text[open] != ';' && text[open] != '"') ++open;
  }
  if (open < text.size() && text[open] == '<') {
    const std::size_t close = text.find('>', open);
    if (close == text.npos) return "'<' without '>'";
    parts = {trim(text.substr(0, open)), text.substr(open + 1, close - open - 1),
             trim(text.substr(close + 1)), true};
    if (!is_display(parts.display)) return "Bad display name";
  } else {
    const std::size_t n = std::min(text.find(';'), text.size());
    parts = {{}, trim(text.substr(0, n)), text.substr(n), false};
    // 20.10: such a URI must stand in brackets.
    if (std::ranges::any_of(parts.uri, [](char c) { return c == ',' || c == '?'; }))
      return "URI that needs brackets";
  }
  if (!parts.params.empty() && parts.params.front() != ';') return "Bad address parameters";
  return nullptr;
}

}  // namespace

std::optional<std::string_view> Params::get(std::string_view name) const {
  std::string_view rest = text;
  Param param;
  while (next_param(rest, param) == Next::param)
    if (same_text(param.name, name)) return param.value;
  return std::nullopt;
}

bool well_formed(const Params& params) {
  std::string_view rest = params.text;
  Param param;
  Next next;
  while ((next = next_param(rest, param)) == Next::param) {
  }
  return next == Next::end;
}

Parsed<FirstValue> split_first(std::string_view field) {
  const std::string_view text = trim(field);
  std::size_t i = std::min(text.find(','), text.size());
  const auto before_comma = text.substr(0, i);
  const bool plain = before_comma.find('"') == text.npos && before_comma.find('<') == text.npos;
  if (!plain) i = 0;
  while (i < text.size() && text[i] != ',') {
    if (text[i] == '"') {
      const std::size_t n = quoted_length(text.substr(i));
      if (n == 0) return bad("Quoted string without an end", i);
      i += n;
    } else if (text[i] == '<') {
      i = text.find('>', i);
      if (i == text.npos) return bad("'<' without '>'", 0);
      ++i;
    } else {
      ++i;
    }
  }
  FirstValue result{scan::trim_right(text.substr(0, i)), {}};
  if (result.first.empty()) return bad("Empty value in a list", i);
  if (i == text.size()) return result;
  result.rest = trim_left(text.substr(i + 1));
  if (result.rest.empty()) return bad("Empty value in a list", i);
  return result;
}

namespace {

// One parameter of a usual Via, without its ';'.
bool take_usual_param(std::string_view param, Via& via) {
  const auto is = [param](std::string_view name) {
    return param.size() >= name.size() && same_text(param.substr(0, name.size()), name) &&
           (param.size() == name.size() || param[name.size()] == '=');
  };
  const auto value = [param](std::size_t name) { return param.substr(std::min(param.size(), name + 1)); };
  if (param.empty()) return false;
  switch (scan::lower(param[0])) {
    case 'b':
      if (!is("branch")) return false;
      if (via.branch.empty()) via.branch = value(6);
      return true;
    case 'r':
      if (is("rport")) return via.has_rport = true;
      return is("received") && (via.has_received = true);
    case 'm':
      if (!is("maddr")) return false;
      if (via.maddr.empty()) via.maddr = value(5);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<Via> usual_via(std::string_view text) {
  constexpr std::string_view kUdp = "SIP/2.0/UDP ";
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (!text.starts_with(kUdp)) return std::nullopt;
  Via via;
  via.transport_text = text.substr(8, 3);
  via.transport = net::Transport::udp;
  const char* p = begin + kUdp.size();
  const char* const host = p;
  while (p != end && scan::is(*p, scan::kHost)) ++p;
  if (p == host) return std::nullopt;
  via.host = {host, static_cast<std::size_t>(p - host)};
  if (p != end && *p == ':') {
    unsigned port = 0;
    const char* const digits = ++p;
    while (p != end && p - digits < 5 && scan::is_digit(*p))
      port = port * 10 + static_cast<unsigned>(*p++ - '0');
    if (port == 0 || port > 65535 || (p != end && scan::is_digit(*p))) return std::nullopt;
    via.port = static_cast<std::uint16_t>(port);
  }
  const char* const params = p;
  while (p != end && *p == ';') {
    const char* const param = p + 1;
    p = scan::find_value_end(param, end);
    if (!take_usual_param({param, static_cast<std::size_t>(p - param)}, via)) return std::nullopt;
  }
  via.params.text = {params, static_cast<std::size_t>(p - params)};
  if (via.params.text.find('<') != text.npos) return std::nullopt;  // parse_any_via refuses it
  via.text = {begin, static_cast<std::size_t>(p - begin)};
  return via;
}

Parsed<Via> parse_via(std::string_view value) {
  if (auto via = usual_via(value); via && via->text.size() == value.size()) return *via;
  return parse_any_via(value);
}

Parsed<Via> parse_any_via(std::string_view value) {
  Via via;
  via.text = trim(value);
  std::string_view rest = via.text;
  constexpr std::string_view kUsual = "SIP/2.0/";
  if (rest.starts_with(kUsual) && rest.size() > kUsual.size() && !is_lws(rest[kUsual.size()]))
    rest.remove_prefix(kUsual.size());
  else if (!take(rest, "SIP") || !take(rest, "/") || take_token(rest).empty() || !take(rest, "/"))
    return bad("Via is not SIP");
  via.transport_text = take_token(rest);
  if (via.transport_text.empty() || rest.empty() || !is_lws(rest.front())) return bad("Bad transport in Via");
  via.transport = net::parse_transport(via.transport_text);
  rest = trim_left(rest);
  if (const char* what = take_sent_by(rest, via))
    return bad(what, static_cast<std::size_t>(rest.data() - value.data()));
  via.params.text = trim_left(rest);
  Param param;
  Next next;
  rest = via.params.text;
  while ((next = next_param(rest, param)) == Next::param) {
    // Without quotes it would begin a URI for split_first, which would not see the next ';' or ','.
    if (const auto at = param.value.find('<'); at != param.value.npos && param.value.data()[-1] != '"')
      return bad("'<' in Via", static_cast<std::size_t>(param.value.data() + at - value.data()));
    if (same_text(param.name, "branch")) {
      if (via.branch.empty()) via.branch = param.value;
    } else if (same_text(param.name, "rport")) {
      via.has_rport = true;
    } else if (same_text(param.name, "received")) {
      via.has_received = true;
    } else if (same_text(param.name, "maddr")) {
      if (via.maddr.empty()) via.maddr = param.value;
    }
  }
  if (next == Next::malformed)
    return bad("Bad parameter in Via", static_cast<std::size_t>(rest.data() - value.data()));
  return via;
}

Parsed<NameAddr> parse_name_addr(std::string_view value) {
  AddressParts parts;
  if (const char* what = split_address(value, parts)) return bad(what);
  auto uri = parse_uri(parts.uri);
  if (!uri) return std::unexpected(uri.error());
  NameAddr result{trim(value), parts.display, *uri, {parts.params}, parts.in_brackets};
  if (!well_formed(result.params)) return bad("Bad address parameters");
  return result;
}

Params address_params(std::string_view value) {
  AddressParts parts;
  if (split_address(value, parts)) return {};
  return {parts.params};
}

Parsed<ContactValue> parse_contact(std::string_view value) {
  ContactValue contact;
  contact.is_star = trim(value) == "*";
  if (contact.is_star) return contact;
  auto address = parse_name_addr(value);
  if (!address) return std::unexpected(address.error());
  contact.address = *address;
  return contact;
}

Parsed<CSeq> parse_cseq(std::string_view value) {
  std::string_view rest = trim(value);
  std::uint64_t number = 0;
  // 8.1.1.5 wants less than 2^31; what fits 32 bits is carried.
  if (!scan::take_number(rest, std::uint64_t{1} << 40, number) || number > 0xffffffff)
    return bad("Bad number in CSeq");
  CSeq cseq;
  cseq.number = static_cast<std::uint32_t>(number);
  cseq.method_text = trim_left(rest);
  if (cseq.method_text.size() == rest.size()) return bad("Bad CSeq");
  cseq.method = parse_method(cseq.method_text);
  if (cseq.method == Method::other && !scan::is_token(cseq.method_text)) return bad("Bad method in CSeq");
  return cseq;
}

Parsed<std::uint32_t> parse_delta_seconds(std::string_view value) {
  std::string_view rest = trim(value);
  std::uint64_t number = 0;
  if (!scan::take_number(rest, 0xffffffff, number) || !rest.empty()) return bad("Bad number of seconds");
  return static_cast<std::uint32_t>(number);
}

Parsed<int> parse_q(std::string_view value) {
  const std::string_view text = trim(value);
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return bad("Bad q");
  int q = (text[0] - '0') * 1000;
  if (text.size() > 1 && text[1] != '.') return bad("Bad q");
  for (std::size_t i = 2, unit = 100; i < text.size(); ++i, unit /= 10) {
    if (!scan::is_digit(text[i])) return bad("Bad q");
    q += (text[i] - '0') * static_cast<int>(unit);
  }
  if (q > 1000) return bad("Bad q");
  return q;
}

std::string unquote(std::string_view text) {
  text = trim(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t n = std::min(list.find(','), list.size());
    if (same_text(trim(list.substr(0, n)), token)) return true;
    list.remove_prefix(std::min(n + 1, list.size()));
  }
  return false;
}

bool has_token(const Message& message, HeaderName name, std::string_view token) {
  for (auto* field = message.first(name); field; field = message.next(*field))
    if (has_token(message.value(*field), token)) return true;
  return false;
}

}  // namespace causeway::sip
