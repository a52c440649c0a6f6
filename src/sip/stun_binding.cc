#include "sip/stun_binding.h"

#include <cstdint>
#include <string_view>

namespace causeway::sip {

namespace {

constexpr std::size_t kHeader = 20;
constexpr unsigned char kCookie[4] = {0x21, 0x12, 0xa4, 0x42};
constexpr std::uint16_t kBindingRequest = 0x0001;

std::uint8_t byte_at(std::span<const char> datagram, std::size_t i) {
  return static_cast<std::uint8_t>(datagram[i]);
}
std::uint16_t number_at(std::span<const char> datagram, std::size_t i) {
  return static_cast<std::uint16_t>(byte_at(datagram, i) << 8 | byte_at(datagram, i + 1));
}

}  // namespace

bool is_stun(std::span<const char> datagram) {
  if (datagram.size() < kHeader || byte_at(datagram, 0) > 1) return false;
  for (std::size_t i = 0; i < 4; ++i)
    if (byte_at(datagram, 4 + i) != kCookie[i]) return false;
  return true;
}

base::Buffer answer_binding(std::span<const char> datagram, const net::Address& from) {
  if (!is_stun(datagram) || number_at(datagram, 0) != kBindingRequest ||
      number_at(datagram, 2) != datagram.size() - kHeader || datagram.size() % 4 != 0)
    return {};
  const std::size_t ip_bytes = from.ip.is_v4() ? 4 : 16;
  const auto attribute = static_cast<char>(4 + ip_bytes);
  char out[kHeader + 8 + 16] = {0x01, 0x01, 0, static_cast<char>(4 + attribute)};
  for (std::size_t i = 4; i < kHeader; ++i) out[i] = datagram[i];  // cookie and transaction id
  char* value = out + kHeader;
  value[1] = 0x20;  // XOR-MAPPED-ADDRESS
  value[3] = attribute;
  value[5] = from.ip.is_v4() ? 1 : 2;
  value[6] = static_cast<char>(from.port >> 8 ^ kCookie[0]);
  value[7] = static_cast<char>((from.port & 0xff) ^ kCookie[1]);
  for (std::size_t i = 0; i < ip_bytes; ++i)
    value[8 + i] = static_cast<char>(from.ip.bytes()[i] ^ static_cast<std::uint8_t>(out[4 + i]));
  return base::Buffer::copy_of({out, kHeader + 8 + ip_bytes});
}

}  // namespace causeway::sip
