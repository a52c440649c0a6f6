// The header names that Causeway looks at. Everything else is HeaderName::other and is carried
// unchanged. One table gives the name, the compact form (RFC 3261 7.3.3) and the enumerator.
#pragma once

#include <cstdint>
#include <string_view>

namespace causeway::sip {

// clang-format off
#define CAUSEWAY_SIP_HEADERS(X)                          \
  X(accept, "Accept", 0)                                 \
  X(alert_info, "Alert-Info", 0)                         \
  X(allow, "Allow", 0)                                   \
  X(authorization, "Authorization", 0)                   \
  X(call_id, "Call-ID", 'i')                             \
  X(contact, "Contact", 'm')                             \
  X(content_encoding, "Content-Encoding", 'e')           \
  X(content_length, "Content-Length", 'l')               \
  X(content_type, "Content-Type", 'c')                   \
  X(cseq, "CSeq", 0)                                     \
  X(date, "Date", 0)                                     \
  X(event, "Event", 'o')                                 \
  X(expires, "Expires", 0)                               \
  X(from, "From", 'f')                                   \
  X(max_breadth, "Max-Breadth", 0)                       \
  X(max_forwards, "Max-Forwards", 0)                     \
  X(min_expires, "Min-Expires", 0)                       \
  X(p_asserted_identity, "P-Asserted-Identity", 0)       \
  X(p_preferred_identity, "P-Preferred-Identity", 0)     \
  X(path, "Path", 0)                                     \
  X(privacy, "Privacy", 0)                               \
  X(proxy_authenticate, "Proxy-Authenticate", 0)         \
  X(proxy_authorization, "Proxy-Authorization", 0)       \
  X(proxy_require, "Proxy-Require", 0)                   \
  X(reason, "Reason", 0)                                 \
  X(record_route, "Record-Route", 0)                     \
  X(require, "Require", 0)                               \
  X(retry_after, "Retry-After", 0)                       \
  X(route, "Route", 0)                                   \
  X(service_route, "Service-Route", 0)                   \
  X(supported, "Supported", 'k')                         \
  X(timestamp, "Timestamp", 0)                           \
  X(to, "To", 't')                                       \
  X(unsupported, "Unsupported", 0)                       \
  X(user_agent, "User-Agent", 0)                         \
  X(via, "Via", 'v')                                     \
  X(www_authenticate, "WWW-Authenticate", 0)
// clang-format on

enum class HeaderName : std::uint8_t {
#define X(id, name, compact) id,
  CAUSEWAY_SIP_HEADERS(X)
#undef X
      count,
  other = 255
};

// Either case, compact forms included.
HeaderName find_header_name(std::string_view name);
std::string_view header_text(HeaderName name);

}  // namespace causeway::sip
