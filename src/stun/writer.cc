#include "stun/writer.h"

#include <algorithm>
#include <cstring>

#include "base/encoding.h"

namespace causeway::stun {
namespace {

void write_attribute_header(char* to, Attribute type, std::size_t size) {
  write_u16(to, static_cast<std::uint16_t>(type));
  write_u16(to + 2, static_cast<std::uint16_t>(size));
}

}  // namespace

void write_header(char* to, Class kind, Method method, std::size_t length, std::string_view transaction) {
  const auto m = static_cast<unsigned>(method);
  const auto k = static_cast<unsigned>(kind);
  write_u16(to, static_cast<std::uint16_t>((m & 0xf80) << 2 | (m & 0x70) << 1 | (m & 0xf) | (k & 2) << 7 |
                                           (k & 1) << 4));
  write_u16(to + 2, static_cast<std::uint16_t>(length));
  write_u32(to + 4, kMagicCookie);
  std::memcpy(to + 8, transaction.data(), kTransactionSize);
}

Writer::Writer(std::span<char> room, Class kind, Method method, std::string_view transaction) : room_(room) {
  if (room.size() < kHeaderSize || transaction.size() != kTransactionSize) {
    fits_ = false;
    return;
  }
  write_header(room_.data(), kind, method, 0, transaction);
  size_ = kHeaderSize;
}

void Writer::set_length(std::size_t length) {
  write_u16(room_.data() + 2, static_cast<std::uint16_t>(length));
}

char* Writer::add(Attribute type, std::size_t size) {
  const std::size_t whole = kAttributeHeader + padded(size);
  if (!fits_ || size > UINT16_MAX || room_.size() - size_ < whole ||
      size_ + whole - kHeaderSize > UINT16_MAX) {
    fits_ = false;
    return nullptr;
  }
  char* at = room_.data() + size_;
  write_attribute_header(at, type, size);
  std::memset(at + kAttributeHeader + size, 0, padded(size) - size);
  size_ += whole;
  set_length(size_ - kHeaderSize);
  return at + kAttributeHeader;
}

void Writer::text(Attribute type, std::string_view value) {
  if (char* to = add(type, value.size())) std::ranges::copy(value, to);
}

void Writer::number(Attribute type, std::uint32_t value) {
  if (char* to = add(type, 4)) write_u32(to, value);
}

void Writer::octet(Attribute type, std::uint8_t value) { number(type, std::uint32_t{value} << 24); }

void Writer::even_port(bool reserve_next) {
  if (char* to = add(Attribute::even_port, 1)) *to = static_cast<char>(reserve_next ? 0x80 : 0);
}

void Writer::channel(std::uint16_t number_of_channel) {
  number(Attribute::channel_number, std::uint32_t{number_of_channel} << 16);
}

void Writer::put_address(Attribute type, const net::Address& address, bool mixed) {
  const std::size_t ip_size = address.ip.is_v4() ? 4 : 16;
  char* to = add(type, 4 + ip_size);
  if (!to) return;
  const char* mask = room_.data() + 4;  // cookie and transaction (RFC 8489 14.2)
  to[0] = 0;
  to[1] = static_cast<char>(address.ip.is_v4() ? Family::ipv4 : Family::ipv6);
  write_u16(to + 2, address.port);
  std::memcpy(to + 4, address.ip.bytes().data(), ip_size);
  if (!mixed) return;
  for (std::size_t i = 0; i < 2; ++i) to[2 + i] = static_cast<char>(to[2 + i] ^ mask[i]);
  for (std::size_t i = 0; i < ip_size; ++i) to[4 + i] = static_cast<char>(to[4 + i] ^ mask[i]);
}

void Writer::address(Attribute type, const net::Address& address) { put_address(type, address, false); }
void Writer::xor_address(Attribute type, const net::Address& address) { put_address(type, address, true); }

void Writer::put_error(Attribute type, std::uint8_t first, Error error, std::string_view why) {
  char* to = add(type, 4 + why.size());
  if (!to) return;
  const auto code = static_cast<unsigned>(error);
  write_u32(to, std::uint32_t{first} << 24 | code / 100 << 8 | code % 100);
  std::ranges::copy(why, to + 4);
}

void Writer::error(Error error, bool with_reason) {
  put_error(Attribute::error_code, 0, error, with_reason ? reason(error) : std::string_view{});
}

void Writer::address_error(Family family, Error error) {
  put_error(Attribute::address_error_code, static_cast<std::uint8_t>(family), error, reason(error));
}

void Writer::icmp(std::uint8_t type, std::uint8_t code, std::uint32_t data) {
  char* to = add(Attribute::icmp, 8);
  if (!to) return;
  write_u32(to, static_cast<std::uint32_t>(type) << 9 | code);  // 7 bits and 9
  write_u32(to + 4, data);
}

void Writer::unknown_attributes(std::span<const std::uint16_t> types) {
  char* to = add(Attribute::unknown_attributes, 2 * types.size());
  for (std::size_t i = 0; to && i < types.size(); ++i) write_u16(to + 2 * i, types[i]);
}

void Writer::password_algorithm(PasswordAlgorithm algorithm) {
  number(Attribute::password_algorithm, static_cast<std::uint32_t>(algorithm) << 16);
}

void Writer::password_algorithms(std::initializer_list<PasswordAlgorithm> algorithms) {
  char* to = add(Attribute::password_algorithms, 4 * algorithms.size());
  if (!to) return;
  for (const PasswordAlgorithm algorithm : algorithms) {
    write_u32(to, static_cast<std::uint32_t>(algorithm) << 16);
    to += 4;
  }
}

void Writer::integrity(Attribute type, const Key& key) {
  const bool sha1 = type == Attribute::message_integrity;
  const std::size_t before = size_;
  char* to = add(type, sha1 ? kSha1Size : kSha256Size);
  if (!to) return;
  const std::string_view header(room_.data(), kHeaderSize);
  const std::string_view rest(room_.data() + kHeaderSize, before - kHeaderSize);
  if (sha1)
    std::memcpy(to, hmac_sha1(key.bytes(), header, rest).data(), kSha1Size);
  else
    std::memcpy(to, hmac_sha256(key.bytes(), header, rest).data(), kSha256Size);
}

void Writer::fingerprint() {
  const std::size_t before = size_;
  if (char* to = add(Attribute::fingerprint, 4)) write_u32(to, fingerprint_of({room_.data(), before}));
}

std::string nonce_cookie(std::uint32_t features) {
  const std::uint8_t bits[3] = {static_cast<std::uint8_t>(features >> 16),
                                static_cast<std::uint8_t>(features >> 8),
                                static_cast<std::uint8_t>(features)};
  return std::string(kNonceCookie) + base::base64(bits);
}

}  // namespace causeway::stun
