#include "overlay/address_bytes.h"

#include <algorithm>
#include <array>

#include "base/limits.h"

namespace causeway::overlay {

std::size_t put_address(const net::Address& address, std::uint8_t* out) {
  std::size_t size = address.ip.is_v4() ? 4 : 16;
  if (address.ip.is_v4()) {
    std::uint32_t ip = address.ip.v4_value();
    for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(ip >> (24 - 8 * i));
  } else {
    std::copy_n(address.ip.bytes().begin(), 16, out);
  }
  out[size] = static_cast<std::uint8_t>(address.port >> 8);
  out[size + 1] = static_cast<std::uint8_t>(address.port);
  return size + 2;
}

std::optional<net::Address> read_address(std::span<const std::uint8_t> in) {
  net::Address out;
  if (in.size() == 6) {
    out.ip = net::Ip::v4(std::uint32_t{in[0]} << 24 | in[1] << 16 | in[2] << 8 | in[3]);
  } else if (in.size() == 18) {
    std::array<std::uint8_t, 16> ip;
    std::copy_n(in.begin(), 16, ip.begin());
    out.ip = net::Ip::v6(ip);
  } else {
    return std::nullopt;
  }
  out.port = static_cast<std::uint16_t>(in[in.size() - 2] << 8 | in[in.size() - 1]);
  if (out.port == 0 || out.ip.is_unspecified()) return std::nullopt;
  return out;
}

void write_addresses(base::MsgpackWriter& out, const std::vector<net::Address>& addresses) {
  std::size_t count = std::min(addresses.size(), limits::kMaxEndpoints);
  out.array(count);
  std::uint8_t bytes[18];
  for (std::size_t i = 0; i < count; ++i) out.bytes({bytes, put_address(addresses[i], bytes)});
}

bool read_addresses(base::MsgpackReader& in, std::vector<net::Address>& out) {
  auto count = in.array(limits::kMaxEndpoints);
  for (std::size_t i = 0; count && i < *count; ++i) {
    auto bytes = in.bytes(18);
    auto address = bytes ? read_address(*bytes) : std::nullopt;
    if (!address) return false;
    out.push_back(*address);
  }
  return count.has_value();
}

}  // namespace causeway::overlay
