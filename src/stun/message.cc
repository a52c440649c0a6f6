#include "stun/message.h"

#include "base/encoding.h"
#include "stun/integrity.h"

namespace causeway::stun {

std::string_view reason(Error error) {
  switch (error) {
    case Error::try_alternate:
      return "Try Alternate";
    case Error::bad_request:
      return "Bad Request";
    case Error::unauthenticated:
      return "Unauthenticated";
    case Error::forbidden:
      return "Forbidden";
    case Error::unknown_attribute:
      return "Unknown Attribute";
    case Error::allocation_mismatch:
      return "Allocation Mismatch";
    case Error::stale_nonce:
      return "Stale Nonce";
    case Error::address_family_not_supported:
      return "Address Family not Supported";
    case Error::wrong_credentials:
      return "Wrong Credentials";
    case Error::unsupported_transport:
      return "Unsupported Transport Protocol";
    case Error::peer_address_family_mismatch:
      return "Peer Address Family Mismatch";
    case Error::allocation_quota_reached:
      return "Allocation Quota Reached";
    case Error::server_error:
      return "Server Error";
    case Error::insufficient_capacity:
      return "Insufficient Capacity";
  }
  return "";
}

bool is_stun(std::string_view bytes) {
  return bytes.size() >= kHeaderSize && static_cast<std::uint8_t>(bytes[0]) < 0x40 &&
         read_u32(bytes, 4) == kMagicCookie;
}

// RFC 8489 5: the method's twelve bits with the class's two among them.
std::expected<Message, Malformed> Message::parse(std::string_view bytes) {
  if (!is_stun(bytes)) return std::unexpected(Malformed::not_stun);
  if (bytes.size() % 4 != 0 || read_u16(bytes, 2) != bytes.size() - kHeaderSize)
    return std::unexpected(Malformed::wrong_length);
  Message message;
  message.bytes_ = bytes;
  const unsigned type = read_u16(bytes, 0);
  message.kind_ = static_cast<Class>((type >> 7 & 2) | (type >> 4 & 1));
  message.method_ = static_cast<Method>((type >> 2 & 0xf80) | (type >> 1 & 0x70) | (type & 0xf));
  if (const auto wrong = message.read_attributes()) return std::unexpected(*wrong);
  return message;
}

std::optional<Malformed> Message::read_attributes() {
  visible_end_ = bytes_.size();
  bool hidden = false, sha256_may_follow = true;
  std::size_t count = 0;
  for (std::size_t at = kHeaderSize; at < bytes_.size();) {
    if (++count > limits::kMaxAttributes) return Malformed::too_many;
    if (bytes_.size() - at < kAttributeHeader) return Malformed::bad_attribute;
    const std::uint16_t number = read_u16(bytes_, at);
    const std::size_t size = padded(read_u16(bytes_, at + 2));
    const std::size_t end = at + kAttributeHeader + size;
    if (end > bytes_.size()) return Malformed::bad_attribute;
    const auto type = static_cast<Attribute>(number);
    if (type == Attribute::fingerprint) {
      if (size != 4 || end != bytes_.size() ||
          read_u32(bytes_, at + kAttributeHeader) != fingerprint_of(bytes_.substr(0, at)))
        return Malformed::bad_fingerprint;
      note(number, at);
    } else if (!hidden || (type == Attribute::message_integrity_sha256 && sha256_may_follow)) {
      note(number, at);
    }
    if (type == Attribute::message_integrity || type == Attribute::message_integrity_sha256) {
      if (!hidden) visible_end_ = at;
      hidden = true;
      if (type == Attribute::message_integrity_sha256) sha256_may_follow = false;
    }
    at = end;
  }
  return std::nullopt;
}

void Message::note(std::uint16_t type, std::size_t at) {
  const std::size_t s = slot(type);
  if (s < kKnown) {
    if (at_[s] == 0) at_[s] = static_cast<std::uint16_t>(at);
  } else if (type < kFirstOptional && unknown_count_ < unknown_.size()) {
    unknown_[unknown_count_++] = type;
  }
}

std::size_t Message::slot(std::uint16_t type) {
  switch (static_cast<Attribute>(type)) {
    case Attribute::mapped_address:
      return 0;
    case Attribute::username:
      return 1;
    case Attribute::message_integrity:
      return 2;
    case Attribute::error_code:
      return 3;
    case Attribute::unknown_attributes:
      return 4;
    case Attribute::channel_number:
      return 5;
    case Attribute::lifetime:
      return 6;
    case Attribute::xor_peer_address:
      return 7;
    case Attribute::data:
      return 8;
    case Attribute::realm:
      return 9;
    case Attribute::nonce:
      return 10;
    case Attribute::xor_relayed_address:
      return 11;
    case Attribute::requested_address_family:
      return 12;
    case Attribute::even_port:
      return 13;
    case Attribute::requested_transport:
      return 14;
    case Attribute::dont_fragment:
      return 15;
    case Attribute::message_integrity_sha256:
      return 16;
    case Attribute::password_algorithm:
      return 17;
    case Attribute::userhash:
      return 18;
    case Attribute::xor_mapped_address:
      return 19;
    case Attribute::reservation_token:
      return 20;
    case Attribute::additional_address_family:
      return 21;
    case Attribute::address_error_code:
      return 22;
    case Attribute::password_algorithms:
      return 23;
    case Attribute::alternate_domain:
      return 24;
    case Attribute::icmp:
      return 25;
    case Attribute::software:
      return 26;
    case Attribute::alternate_server:
      return 27;
    case Attribute::fingerprint:
      return 28;
  }
  return kKnown;
}

std::size_t Message::position(Attribute type) const {
  const std::size_t s = slot(static_cast<std::uint16_t>(type));
  return s < kKnown ? at_[s] : 0;
}

std::optional<std::string_view> Message::value(Attribute type) const {
  const std::size_t at = position(type);
  if (at == 0) return std::nullopt;
  return bytes_.substr(at + kAttributeHeader, read_u16(bytes_, at + 2));
}

std::optional<std::uint32_t> Message::number(Attribute type) const {
  const auto v = value(type);
  if (!v || v->size() != 4) return std::nullopt;
  return read_u32(*v, 0);
}

std::optional<std::uint8_t> Message::octet(Attribute type) const {
  const auto v = value(type);
  if (!v || (v->size() != 4 && v->size() != 1)) return std::nullopt;
  return static_cast<std::uint8_t>((*v)[0]);
}

std::optional<std::uint16_t> Message::channel() const {
  const auto v = value(Attribute::channel_number);
  if (!v || v->size() != 4) return std::nullopt;
  return read_u16(*v, 0);
}

std::optional<Family> Message::family(Attribute type) const {
  const auto v = octet(type);
  if (!v || (*v != 1 && *v != 2)) return std::nullopt;
  return static_cast<Family>(*v);
}

namespace {

std::optional<net::Address> read_address(std::string_view value) {
  if (value.size() < 4) return std::nullopt;
  const auto family = static_cast<std::uint8_t>(value[1]);
  if (family == 1 && value.size() == 8)
    return net::Address{net::Ip::v4(read_u32(value, 4)), read_u16(value, 2)};
  if (family != 2 || value.size() != 20) return std::nullopt;
  std::array<std::uint8_t, 16> ip;
  for (std::size_t i = 0; i < ip.size(); ++i) ip[i] = static_cast<std::uint8_t>(value[4 + i]);
  return net::Address{net::Ip::v6(ip), read_u16(value, 2)};
}

}  // namespace

std::optional<net::Address> Message::address(Attribute type) const {
  const auto v = value(type);
  return v ? read_address(*v) : std::nullopt;
}

// RFC 8489 14.2: the port is mixed with the cookie, an IPv4 address too, an IPv6 one with cookie and
// transaction.
std::optional<net::Address> Message::read_xor_address(std::string_view value) const {
  auto address = read_address(value);
  if (!address) return address;
  address->port ^= kMagicCookie >> 16;
  if (address->ip.is_v4()) {
    address->ip = net::Ip::v4(address->ip.v4_value() ^ kMagicCookie);
  } else {
    auto ip = address->ip.bytes();
    for (std::size_t i = 0; i < ip.size(); ++i) ip[i] ^= static_cast<std::uint8_t>(bytes_[4 + i]);
    address->ip = net::Ip::v6(ip);
  }
  return address;
}

std::optional<net::Address> Message::xor_address(Attribute type) const {
  const auto v = value(type);
  return v ? read_xor_address(*v) : std::nullopt;
}

std::optional<std::uint16_t> Message::error() const {
  const auto v = value(Attribute::error_code);
  if (!v || v->size() < 4) return std::nullopt;
  const unsigned hundreds = static_cast<std::uint8_t>((*v)[2]) & 7, rest = static_cast<std::uint8_t>((*v)[3]);
  if (hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  return static_cast<std::uint16_t>(100 * hundreds + rest);
}

std::string_view Message::error_reason() const {
  const auto v = value(Attribute::error_code);
  return v && v->size() > 4 ? v->substr(4) : std::string_view{};
}

std::optional<PasswordAlgorithm> Message::password_algorithm() const {
  const auto v = value(Attribute::password_algorithm);
  if (!v || v->size() != 4 || read_u16(*v, 2) != 0) return std::nullopt;
  const std::uint16_t number = read_u16(*v, 0);
  if (number != 1 && number != 2) return std::nullopt;
  return static_cast<PasswordAlgorithm>(number);
}

std::optional<std::uint32_t> nonce_features(std::string_view nonce) {
  if (nonce.size() < kNonceCookieSize || !nonce.starts_with(kNonceCookie)) return std::nullopt;
  const auto bits = base::from_base64(nonce.substr(kNonceCookie.size(), 4));
  if (!bits || bits->size() != 3) return std::nullopt;
  return std::uint32_t{(*bits)[0]} << 16 | std::uint32_t{(*bits)[1]} << 8 | (*bits)[2];
}

}  // namespace causeway::stun
