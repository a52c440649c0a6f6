// SIP and SIPS URIs (RFC 3261 19.1), and as much of tel: and unknown schemes as a proxy must carry.
//
// A Uri is a set of views into the text it was parsed from: nothing is copied, nothing unescaped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sip/parse_error.h"

namespace causeway::sip {

struct Uri {
  std::string_view text;    // the whole
  std::string_view scheme;  // "sip", as written
  std::string_view user;    // escaped, without password
  std::string_view password;
  std::string_view host;     // name, IPv4 or "[v6]"; empty for schemes other than sip and sips
  std::string_view params;   // after the first ';', without it; escaped
  std::string_view headers;  // after '?', without it
  std::uint16_t port = 0;    // 0: none given
  bool has_user = false;
  bool is_sip = false;  // scheme sip or sips, either case
  bool is_sips = false;

  // The value of a parameter (case-insensitive name), empty for one without '='.
  std::optional<std::string_view> param(std::string_view name) const;
};

// RFC 3261 25.1 as far as it decides where a request goes; rejects control characters, spaces, bad
// escapes, empty hosts, ports over 65535.
Parsed<Uri> parse_uri(std::string_view text);

// RFC 3261 19.1.4.
bool equivalent(const Uri& a, const Uri& b);

// The key of an address of record: scheme sip, user unescaped where the escape is not needed, host
// in lower case, no port, parameters, headers or password (RFC 3261 10.3 step 5).
// "SIP:%61lice@P2PSIP.org:5060;x=y" -> "sip:alice@p2psip.org"
std::string address_of_record(const Uri& uri);
// Its user part. `room` holds it where something had to be unescaped, and must live as long.
std::string_view plain_user(const Uri& uri, std::string& room);

// Case-insensitive comparison of ASCII text: hosts, parameter names, header names.
bool same_letters(const char* a, const char* b, std::size_t n);
inline bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_letters(a.data(), b.data(), a.size());
}

}  // namespace causeway::sip
