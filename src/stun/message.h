// STUN messages, read where they lie.
//
//   auto message = Message::parse(datagram);              one pass: everything is within bounds
//   if (message->method() == Method::allocate) ...
//   auto lifetime = message->number(Attribute::lifetime);  nothing if absent or of the wrong form
//   if (!check_integrity(*message, key)) ...               integrity.h
//
// Nothing is copied and nothing is allocated: a Message is a view, valid as long as the bytes are. What
// stands behind MESSAGE-INTEGRITY is not seen, as nobody vouches for it (RFC 8489 14.5), except a
// MESSAGE-INTEGRITY-SHA256 and the FINGERPRINT. Of an attribute that comes several times the first counts
// (RFC 8489 14); XOR-PEER-ADDRESS, of which CreatePermission may have many (RFC 8656 10.1), is read by
// `peers`.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "base/limits.h"
#include "net/address.h"
#include "stun/protocol.h"

namespace causeway::stun {

enum class Malformed : std::uint8_t {
  not_stun,         // first two bits, cookie, or shorter than a header
  wrong_length,     // the header's length is not that of the bytes, or no multiple of 4
  bad_attribute,    // an attribute that ends beyond the message
  too_many,         // more than limits::kMaxAttributes
  bad_fingerprint,  // FINGERPRINT that is wrong or not the last attribute
};

// How STUN is told from what else arrives at a socket (RFC 8489 5 and 6.3): first two bits and magic cookie.
bool is_stun(std::string_view bytes);

class Message {
 public:
  // The bytes of exactly one message. A FINGERPRINT is checked.
  static std::expected<Message, Malformed> parse(std::string_view bytes);

  Class kind() const { return kind_; }
  Method method() const { return method_; }  // may be one that has no name here
  std::string_view transaction() const { return bytes_.substr(8, kTransactionSize); }
  std::string_view bytes() const { return bytes_; }

  bool has(Attribute type) const { return position(type) != 0; }
  std::optional<std::string_view> value(Attribute type) const;  // without padding

  // Nothing if the attribute is absent or not of this form.
  std::optional<std::uint32_t> number(Attribute type) const;      // LIFETIME: 32 bits
  std::optional<std::uint8_t> octet(Attribute type) const;        // first of 4 (or of 1: EVEN-PORT)
  std::optional<std::uint16_t> channel() const;                   // CHANNEL-NUMBER
  std::optional<Family> family(Attribute type) const;             // REQUESTED- and ADDITIONAL-ADDRESS-FAMILY
  std::optional<net::Address> address(Attribute type) const;      // MAPPED-ADDRESS, ALTERNATE-SERVER
  std::optional<net::Address> xor_address(Attribute type) const;  // XOR-MAPPED-, -PEER-, -RELAYED-ADDRESS
  std::optional<std::uint16_t> error() const;                     // ERROR-CODE: 300 to 699
  std::string_view error_reason() const;                          // its text
  std::optional<PasswordAlgorithm> password_algorithm() const;

  // Every XOR-PEER-ADDRESS in turn, until `use` says false. False if one is malformed.
  template <class Use>
  bool peers(Use&& use) const;

  // Types below 0x8000 that protocol.h does not know, the first few of them (RFC 8489 14.9).
  std::span<const std::uint16_t> unknown() const { return std::span(unknown_).first(unknown_count_); }

  // Where the attribute begins in bytes(), 0 if it is absent.
  std::size_t position(Attribute type) const;

 private:
  static constexpr std::size_t kKnown = 30;
  Message() = default;
  static std::size_t slot(std::uint16_t type);
  std::optional<Malformed> read_attributes();
  void note(std::uint16_t type, std::size_t at);
  std::optional<net::Address> read_xor_address(std::string_view value) const;

  std::string_view bytes_;
  Class kind_ = Class::request;
  Method method_ = Method::binding;
  std::uint8_t unknown_count_ = 0;
  std::array<std::uint16_t, limits::kMaxUnknownNamed> unknown_{};
  std::array<std::uint16_t, kKnown> at_{};  // by slot; 0: absent
  std::size_t visible_end_ = 0;             // where MESSAGE-INTEGRITY hides the rest
};

inline std::uint16_t read_u16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[at]) << 8 |
                                    static_cast<std::uint8_t>(bytes[at + 1]));
}
inline std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  return std::uint32_t{read_u16(bytes, at)} << 16 | read_u16(bytes, at + 2);
}
constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

template <class Use>
bool Message::peers(Use&& use) const {
  for (std::size_t at = position(Attribute::xor_peer_address); at != 0 && at < visible_end_;) {
    const std::size_t size = read_u16(bytes_, at + 2);
    if (read_u16(bytes_, at) == static_cast<std::uint16_t>(Attribute::xor_peer_address)) {
      const auto address = read_xor_address(bytes_.substr(at + kAttributeHeader, size));
      if (!address) return false;
      if (!use(*address)) return true;
    }
    at += kAttributeHeader + padded(size);
  }
  return true;
}

// What the security features in a NONCE say (RFC 8489 9.2); nothing if it does not begin with the cookie.
std::optional<std::uint32_t> nonce_features(std::string_view nonce);

}  // namespace causeway::stun
