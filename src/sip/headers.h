// The header values that Causeway looks into, parsed on demand from Message::value().
//
// All results are views into the value. White space and line folds between tokens are skipped
// (RFC 3261 25.1: LWS, SWS); inside quoted strings escapes are left as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/address.h"
#include "sip/message.h"

namespace causeway::sip {

// Parameters of a header value: ";name=value;name". Names compare without case; quoted values come
// without their quotes.
struct Params {
  std::string_view text;  // from the first ';' on, or empty
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
};
// RFC 3261 25.1 generic-param list; false if it is none.
bool well_formed(const Params& params);

// Calls f(value) for each comma-separated value of one field (commas inside quotes and <> do not
// count). Stops when f returns false. False if the field is not well formed.
bool for_each_value(std::string_view field, auto&& f);
// The first value of a comma-separated field, and what follows it (without the comma).
struct FirstValue {
  std::string_view first;
  std::string_view rest;  // empty if it was the last
};
Parsed<FirstValue> split_first(std::string_view field);

// One Via value (RFC 3261 20.42). Any version of SIP: who speaks another is owed a 505 (RFC 4475 3.1.2.16).
struct Via {
  std::string_view text;                    // the whole value
  std::string_view transport_text;          // "UDP"
  std::optional<net::Transport> transport;  // none: one that we do not speak
  std::string_view host;                    // sent-by host
  std::uint16_t port = 0;                   // 0: none given
  Params params;
  std::string_view branch;    // empty: none
  std::string_view maddr;     // empty: none
  bool has_rport = false;     // RFC 3581, with or without value
  bool has_received = false;  // with or without value
};
Parsed<Via> parse_via(std::string_view value);
// The Via at the front of `text`, as parse_via gives it, if it has the form in which nearly all come (no
// white space but one, no quotes, brackets or parameters beyond those above); quick. `via.text` ends before
// what cannot belong to it.
std::optional<Via> usual_via(std::string_view text);
// parse_via by its grammar alone.
Parsed<Via> parse_any_via(std::string_view value);

// From, To, Contact, Route, Record-Route, Path, P-Asserted-Identity: name-addr or addr-spec.
struct NameAddr {
  std::string_view text;
  std::string_view display;  // as written, quotes included
  Uri uri;
  Params params;  // after '>' (or, for addr-spec, all after the first ';')
  bool in_brackets = false;
};
Parsed<NameAddr> parse_name_addr(std::string_view value);
// Only the parameters of such a value (From, To: the tag), without a look at its URI; none if the value
// is not well formed.
Params address_params(std::string_view value);

// "Contact: *" is is_star.
struct ContactValue {
  bool is_star = false;
  NameAddr address;
};
Parsed<ContactValue> parse_contact(std::string_view value);

Parsed<CSeq> parse_cseq(std::string_view value);
// delta-seconds; numbers over 2^32-1 become 2^32-1 (RFC 3261 20.19).
Parsed<std::uint32_t> parse_delta_seconds(std::string_view value);
// q as thousandths, 0..1000.
Parsed<int> parse_q(std::string_view value);
// "a \"b\"" without its quotes and escapes; other text as it is. For display names and user names.
std::string unquote(std::string_view text);
// The opposite: with quotes, and escapes where needed.
std::string quote(std::string_view text);
// True if the comma-separated token list (Supported, Require, Proxy-Require) has the token.
bool has_token(std::string_view list, std::string_view token);
// The same in any field of that name.
bool has_token(const Message& message, HeaderName name, std::string_view token);

template <class F>
bool for_each_value_impl(std::string_view field, F&& f) {
  std::string_view rest = field;
  while (!rest.empty()) {
    auto split = split_first(rest);
    if (!split) return false;
    if (!f(split->first)) return true;
    rest = split->rest;
  }
  return true;
}
bool for_each_value(std::string_view field, auto&& f) { return for_each_value_impl(field, f); }

// For each value of every field of that name, in order, across lines.
template <class F>
bool for_each_value(const Message& m, HeaderName name, F&& f) {
  bool go_on = true;
  for (auto* field = m.first(name); field && go_on; field = m.next(*field)) {
    bool fine = for_each_value(m.value(*field), [&](std::string_view v) { return go_on = f(v); });
    if (!fine) return false;
  }
  return true;
}

}  // namespace causeway::sip
