// Addresses: an IP address and a port, in one trivially copyable value (24 bytes, IPv4 and IPv6).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sockaddr;
struct sockaddr_storage;

namespace causeway::net {

class Ip {
 public:
  Ip() = default;  // unspecified: 0.0.0.0
  static Ip v4(std::uint32_t host_order);
  static Ip v6(const std::array<std::uint8_t, 16>& bytes);
  // Numeric forms only: "192.0.2.1", "2001:db8::1", "[2001:db8::1]".
  static std::optional<Ip> parse(std::string_view text);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  bool is_unspecified() const;
  bool is_loopback() const;
  std::uint32_t v4_value() const;                                       // host order; is_v4()
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }  // v4: in the first four
  std::string text() const;                                             // "2001:db8::1"
  std::string uri_text() const;                                         // as a host in a URI: "[2001:db8::1]"
  // What one customer has: the address, or the /64 that it stands in (RFC 6177). Never 0.
  std::uint64_t source() const;
  auto operator<=>(const Ip&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v4_ = true;
};

struct Address {
  Ip ip;
  std::uint16_t port = 0;

  // "192.0.2.1:5060", "[2001:db8::1]:5060"; without a port only if default_port is not 0.
  static base::Result<Address> parse(std::string_view text, std::uint16_t default_port = 0);
  static Address from_sockaddr(const sockaddr& from);
  std::uint32_t to_sockaddr(sockaddr_storage& to) const;  // its length
  std::string text() const;
  auto operator<=>(const Address&) const = default;
};

// The transports SIP runs over here (RFC 3261 18; RFC 7118 comes later).
enum class Transport : std::uint8_t { udp, tcp, tls };
std::string_view transport_name(Transport transport);             // "udp": URI parameter form
std::string_view transport_via_name(Transport transport);         // "UDP": Via form
std::optional<Transport> parse_transport(std::string_view name);  // either case
inline bool is_stream(Transport t) { return t != Transport::udp; }

struct Endpoint {
  Transport transport = Transport::udp;
  Address address;
  std::string text() const;  // "tcp:192.0.2.1:5060"
  static base::Result<Endpoint> parse(std::string_view text);
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace causeway::net

template <>
struct std::hash<causeway::net::Ip> {
  std::size_t operator()(const causeway::net::Ip& ip) const noexcept;
};
template <>
struct std::hash<causeway::net::Address> {
  std::size_t operator()(const causeway::net::Address& a) const noexcept {
    return std::hash<causeway::net::Ip>{}(a.ip) * 0x9e3779b97f4a7c15u + a.port;
  }
};
