#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace causeway::net {
namespace {

// inet_pton wants a terminated string; nothing longer can be a numeric address.
using Terminated = std::array<char, INET6_ADDRSTRLEN>;

bool terminate(std::string_view text, Terminated& to) {
  if (text.size() >= to.size()) return false;
  if (text.find('\0') != std::string_view::npos) return false;
  std::memcpy(to.data(), text.data(), text.size());
  to[text.size()] = '\0';
  return true;
}

// Four decimal numbers without leading zeros, as inet_pton reads them.
std::optional<std::uint32_t> parse_v4(std::string_view text) {
  std::uint32_t value = 0;
  const char* p = text.data();
  const char* const end = p + text.size();
  for (int part = 0; part < 4; ++part) {
    if (part != 0 && (p == end || *p++ != '.')) return std::nullopt;
    const char* const begin = p;
    std::uint32_t number = 0;
    for (; p != end && *p >= '0' && *p <= '9' && p - begin < 3; ++p)
      number = number * 10 + static_cast<std::uint32_t>(*p - '0');
    if (p == begin || number > 255 || (*begin == '0' && p - begin > 1)) return std::nullopt;
    value = value << 8 | number;
  }
  if (p != end) return std::nullopt;
  return value;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || at != end) return std::nullopt;
  return port;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + ('a' - 'A')) : x) == y;
  });
}

}  // namespace

Ip Ip::v4(std::uint32_t host_order) {
  Ip ip;
  for (int i = 0; i < 4; ++i) ip.bytes_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return ip;
}

Ip Ip::v6(const std::array<std::uint8_t, 16>& bytes) {
  Ip ip;
  ip.bytes_ = bytes;
  ip.v4_ = false;
  return ip;
}

std::optional<Ip> Ip::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;  // "[192.0.2.1]"
  }
  if (const auto value = parse_v4(text)) return v4(*value);
  Terminated terminated;
  if (text.find(':') == std::string_view::npos || !terminate(text, terminated)) return std::nullopt;
  // RFC 5118 4.10: the grammar of RFC 3261 has three colons before an IPv4 address where two are meant.
  if (char* colons = std::strstr(terminated.data(), ":::"); colons && std::strchr(colons, '.'))
    std::memmove(colons, colons + 1, std::strlen(colons));
  std::array<std::uint8_t, 16> bytes;
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) != 1) return std::nullopt;
  return v6(bytes);
}

bool Ip::is_unspecified() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t b) { return b == 0; });
}

bool Ip::is_loopback() const {
  if (v4_) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; });
}

std::uint32_t Ip::v4_value() const {
  return std::uint32_t{bytes_[0]} << 24 | std::uint32_t{bytes_[1]} << 16 | std::uint32_t{bytes_[2]} << 8 |
         bytes_[3];
}

// An IPv4 address cannot be taken for a prefix of IPv6: none of those in use begins with zeros.
std::uint64_t Ip::source() const {
  if (v4_) return std::uint64_t{1} << 32 | v4_value();
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < 8; ++i) prefix = prefix << 8 | bytes_[i];
  return prefix ? prefix : 1;
}

std::string Ip::text() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::string Ip::uri_text() const { return v4_ ? text() : '[' + text() + ']'; }

base::Result<Address> Address::parse(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::string_view port_text;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return base::fail("'{}': expected ']' after an IPv6 address", text);
    host = text.substr(0, close + 1);
    const std::string_view rest = text.substr(close + 1);
    has_port = rest.starts_with(':');
    if (!rest.empty() && !has_port) return base::fail("'{}': expected ':' and a port after ']'", text);
    if (has_port) port_text = rest.substr(1);
  } else if (const std::size_t colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    host = text.substr(0, colon);
    port_text = text.substr(colon + 1);
    has_port = true;
  }

  const std::optional<Ip> ip = Ip::parse(host);
  if (!ip)
    return base::fail("'{}': expected a numeric address such as 192.0.2.1:5060 or [2001:db8::1]:5060", text);
  if (!has_port) {
    if (default_port == 0) return base::fail("'{}': expected a port, as in {}:5060", text, ip->uri_text());
    return Address{*ip, default_port};
  }
  const std::optional<std::uint16_t> port = parse_port(port_text);
  if (!port) return base::fail("'{}': expected a port from 0 to 65535, found '{}'", text, port_text);
  return Address{*ip, *port};
}

Address Address::from_sockaddr(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &from, sizeof in);
    return {Ip::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, &from, sizeof in6);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in6.sin6_addr, bytes.size());
    return {Ip::v6(bytes), ntohs(in6.sin6_port)};
  }
  return {};
}

std::uint32_t Address::to_sockaddr(sockaddr_storage& to) const {
  if (ip.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(ip.v4_value());
    std::memcpy(&to, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, ip.bytes().data(), ip.bytes().size());
  std::memcpy(&to, &in6, sizeof in6);
  return sizeof in6;
}

std::string Address::text() const { return fmt::format("{}:{}", ip.uri_text(), port); }

std::string_view transport_name(Transport transport) {
  switch (transport) {
    case Transport::udp:
      return "udp";
    case Transport::tcp:
      return "tcp";
    case Transport::tls:
      return "tls";
  }
  return "unknown";
}

std::string_view transport_via_name(Transport transport) {
  switch (transport) {
    case Transport::udp:
      return "UDP";
    case Transport::tcp:
      return "TCP";
    case Transport::tls:
      return "TLS";
  }
  return "UNKNOWN";
}

std::optional<Transport> parse_transport(std::string_view name) {
  for (const Transport transport : {Transport::udp, Transport::tcp, Transport::tls})
    if (equal_ignoring_case(name, transport_name(transport))) return transport;
  return std::nullopt;
}

std::string Endpoint::text() const { return fmt::format("{}:{}", transport_name(transport), address.text()); }

base::Result<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::optional<Transport> transport = parse_transport(text.substr(0, colon));
  if (!transport || colon == std::string_view::npos)
    return base::fail("'{}': expected udp:, tcp: or tls: and an address, as in tcp:192.0.2.1:5060", text);
  const std::uint16_t default_port = *transport == Transport::tls ? 5061 : 5060;  // RFC 3261 19.1.2
  base::Result<Address> address = Address::parse(text.substr(colon + 1), default_port);
  if (!address) return std::unexpected(address.error());
  return Endpoint{*transport, *address};
}

}  // namespace causeway::net

std::size_t std::hash<causeway::net::Ip>::operator()(const causeway::net::Ip& ip) const noexcept {
  std::uint64_t halves[2];
  static_assert(sizeof halves == sizeof ip.bytes());
  std::memcpy(halves, ip.bytes().data(), sizeof halves);
  // The finisher of MurmurHash3, a public-domain bijection that spreads every bit.
  std::uint64_t h = halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15u) ^ (ip.is_v4() ? 0x5bd1e995u : 0u);
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return h ^ (h >> 33);
}
