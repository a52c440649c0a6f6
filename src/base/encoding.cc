#include "base/encoding.h"

#include <array>

namespace causeway::base {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kHex = "0123456789abcdef";

// The value of each character of an alphabet, 255 for all others.
using Values = std::array<std::uint8_t, 256>;
constexpr Values values_of(std::string_view alphabet, bool either_case) {
  Values values{};
  values.fill(255);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    const char c = alphabet[i];
    values[static_cast<unsigned char>(c)] = static_cast<std::uint8_t>(i);
    if (either_case && c >= 'a' && c <= 'z')
      values[static_cast<unsigned char>(c - 32)] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr Values kFromBase32 = values_of(kBase32, true);
constexpr Values kFromBase64 = values_of(kBase64, false);
constexpr Values kFromBase64Url = values_of(kBase64Url, false);
constexpr Values kFromHex = values_of(kHex, true);

// `Bits` of the input, most significant first, become one character (RFC 4648).
template <int Bits>
std::string encode(std::span<const std::uint8_t> bytes, std::string_view alphabet) {
  std::string text;
  text.reserve((bytes.size() * 8 + Bits - 1) / Bits);
  unsigned pending = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    pending = pending << 8 | byte;
    held += 8;
    while (held >= Bits) {
      held -= Bits;
      text += alphabet[pending >> held & ((1u << Bits) - 1)];
    }
    pending &= (1u << held) - 1;
  }
  if (held > 0) text += alphabet[pending << (Bits - held)];
  return text;
}

// Refuses lengths that no bytes encode to, and bits behind the last byte that are not zero: one text
// for each value.
template <int Bits>
std::optional<Bytes> decode(std::string_view text, const Values& values) {
  Bytes bytes;
  bytes.reserve(text.size() * Bits / 8);
  unsigned pending = 0;
  int held = 0;
  for (const char c : text) {
    const std::uint8_t value = values[static_cast<unsigned char>(c)];
    if (value == 255) return std::nullopt;
    pending = pending << Bits | value;
    held += Bits;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::uint8_t>(pending >> held));
      pending &= (1u << held) - 1;
    }
  }
  if (held >= Bits || pending != 0) return std::nullopt;
  return bytes;
}

std::optional<Bytes> decode_base64(std::string_view text, const Values& values) {
  if (text.ends_with('=')) {
    if (text.size() % 4 != 0) return std::nullopt;
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
    if (text.size() % 4 == 0) return std::nullopt;
  }
  return decode<6>(text, values);
}

}  // namespace

std::string base32(std::span<const std::uint8_t> bytes) { return encode<5>(bytes, kBase32); }
std::optional<Bytes> from_base32(std::string_view text) { return decode<5>(text, kFromBase32); }

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string text = encode<6>(bytes, kBase64);
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}
std::optional<Bytes> from_base64(std::string_view text) { return decode_base64(text, kFromBase64); }

std::string base64url(std::span<const std::uint8_t> bytes) { return encode<6>(bytes, kBase64Url); }
std::optional<Bytes> from_base64url(std::string_view text) { return decode_base64(text, kFromBase64Url); }

std::string hex(std::span<const std::uint8_t> bytes) { return encode<4>(bytes, kHex); }
std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  return decode<4>(text, kFromHex);
}

}  // namespace causeway::base
