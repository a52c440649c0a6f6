// The numbers of STUN and TURN (RFC 8489, RFC 8656), and what they are called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace causeway::stun {

inline constexpr std::size_t kHeaderSize = 20;       // RFC 8489 5
inline constexpr std::size_t kAttributeHeader = 4;   // RFC 8489 14
inline constexpr std::size_t kTransactionSize = 12;  // RFC 8489 5
inline constexpr std::uint32_t kMagicCookie = 0x2112a442;

enum class Class : std::uint8_t { request = 0, indication = 1, success = 2, error = 3 };

enum class Method : std::uint16_t {
  binding = 0x001,
  allocate = 0x003,
  refresh = 0x004,
  send = 0x006,
  data = 0x007,
  create_permission = 0x008,
  channel_bind = 0x009,
};

// RFC 8489 18.3, RFC 8656 18. Below 0x8000 a receiver must understand them.
enum class Attribute : std::uint16_t {
  mapped_address = 0x0001,
  username = 0x0006,
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000a,
  channel_number = 0x000c,
  lifetime = 0x000d,
  xor_peer_address = 0x0012,
  data = 0x0013,
  realm = 0x0014,
  nonce = 0x0015,
  xor_relayed_address = 0x0016,
  requested_address_family = 0x0017,
  even_port = 0x0018,
  requested_transport = 0x0019,
  dont_fragment = 0x001a,
  message_integrity_sha256 = 0x001c,
  password_algorithm = 0x001d,
  userhash = 0x001e,
  xor_mapped_address = 0x0020,
  reservation_token = 0x0022,
  additional_address_family = 0x8000,
  address_error_code = 0x8001,
  password_algorithms = 0x8002,
  alternate_domain = 0x8003,
  icmp = 0x8004,
  software = 0x8022,
  alternate_server = 0x8023,
  fingerprint = 0x8028,
};
inline constexpr std::uint16_t kFirstOptional = 0x8000;

enum class Family : std::uint8_t { ipv4 = 1, ipv6 = 2 };  // RFC 8489 14.1

// RFC 8489 18.5.
enum class PasswordAlgorithm : std::uint16_t { md5 = 1, sha256 = 2 };

// RFC 8489 14.8, RFC 8656 19.
enum class Error : std::uint16_t {
  try_alternate = 300,
  bad_request = 400,
  unauthenticated = 401,
  forbidden = 403,
  unknown_attribute = 420,
  allocation_mismatch = 437,
  stale_nonce = 438,
  address_family_not_supported = 440,
  wrong_credentials = 441,
  unsupported_transport = 442,
  peer_address_family_mismatch = 443,
  allocation_quota_reached = 486,
  server_error = 500,
  insufficient_capacity = 508,
};
std::string_view reason(Error error);

// The first bytes of a NONCE that says what else the server can do (RFC 8489 9.2): this text, then 24 bits in
// base64.
inline constexpr std::string_view kNonceCookie = "obMatJos2";
inline constexpr std::size_t kNonceCookieSize = kNonceCookie.size() + 4;
// Bit numbers count from the left (RFC 8489 18.1).
inline constexpr std::uint32_t kPasswordAlgorithms = 1u << 23;
inline constexpr std::uint32_t kUsernameAnonymity = 1u << 22;

}  // namespace causeway::stun
