// Writes a STUN message into the caller's room.
//
//   char room[256];
//   Writer out(room, Class::success, Method::binding, request.transaction());
//   out.xor_address(Attribute::xor_mapped_address, from);
//   out.fingerprint();
//   send(out.view());
//
// What does not fit makes the message void: view() is empty. Integrity comes after the other attributes,
// FINGERPRINT last.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "net/address.h"
#include "stun/integrity.h"
#include "stun/message.h"
#include "stun/protocol.h"

namespace causeway::stun {

class Writer {
 public:
  // `transaction` has 12 bytes.
  Writer(std::span<char> room, Class kind, Method method, std::string_view transaction);

  void text(Attribute type, std::string_view value);
  void in_place(Attribute type, std::size_t size) { add(type, size); }  // the value lies there already
  void flag(Attribute type) { text(type, {}); }                         // DONT-FRAGMENT
  void number(Attribute type, std::uint32_t value);                     // LIFETIME
  void octet(Attribute type, std::uint8_t value);                       // REQUESTED-TRANSPORT, the families
  void even_port(bool reserve_next);
  void channel(std::uint16_t number);
  void address(Attribute type, const net::Address& address);
  void xor_address(Attribute type, const net::Address& address);
  void error(Error error, bool with_reason = true);
  void address_error(Family family, Error error);                       // RFC 8656 18.9
  void icmp(std::uint8_t type, std::uint8_t code, std::uint32_t data);  // RFC 8656 18.13
  void unknown_attributes(std::span<const std::uint16_t> types);
  void password_algorithm(PasswordAlgorithm algorithm);
  void password_algorithms(std::initializer_list<PasswordAlgorithm> algorithms);
  void integrity(Attribute type, const Key& key);
  void fingerprint();

  bool fits() const { return fits_; }
  std::string_view view() const { return fits_ ? std::string_view(room_.data(), size_) : std::string_view(); }

 private:
  char* add(Attribute type, std::size_t size);  // null if it does not fit
  void put_error(Attribute type, std::uint8_t first, Error error, std::string_view why);
  void put_address(Attribute type, const net::Address& address, bool mixed);
  void set_length(std::size_t length);

  std::span<char> room_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

inline void write_u16(char* to, std::uint16_t value) {
  to[0] = static_cast<char>(value >> 8);
  to[1] = static_cast<char>(value);
}
inline void write_u32(char* to, std::uint32_t value) {
  write_u16(to, static_cast<std::uint16_t>(value >> 16));
  write_u16(to + 2, static_cast<std::uint16_t>(value));
}

// The first kHeaderSize bytes of a message.
void write_header(char* to, Class kind, Method method, std::size_t length, std::string_view transaction);

// The first kNonceCookieSize characters of a NONCE with these features (RFC 8489 9.2).
std::string nonce_cookie(std::uint32_t features);

}  // namespace causeway::stun
