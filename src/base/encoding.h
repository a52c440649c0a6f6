// Text forms of bytes: base32 (RFC 4648, lower case, no padding), base64 and base64url (no
// padding), hex (lower case). Decoders accept nothing but their own alphabet (base32 and hex: either
// case; base64: padding or none) and return an empty optional otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::base {

using Bytes = std::vector<std::uint8_t>;

std::string base32(std::span<const std::uint8_t> bytes);
std::optional<Bytes> from_base32(std::string_view text);
std::string base64(std::span<const std::uint8_t> bytes);  // with padding
std::optional<Bytes> from_base64(std::string_view text);
std::string base64url(std::span<const std::uint8_t> bytes);  // without padding
std::optional<Bytes> from_base64url(std::string_view text);
std::string hex(std::span<const std::uint8_t> bytes);
std::optional<Bytes> from_hex(std::string_view text);

inline std::span<const std::uint8_t> as_bytes(std::string_view s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}
inline std::string_view as_text(std::span<const std::uint8_t> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace causeway::base
