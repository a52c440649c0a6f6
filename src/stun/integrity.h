// What proves a STUN message: MESSAGE-INTEGRITY (HMAC-SHA1), MESSAGE-INTEGRITY-SHA256, and FINGERPRINT
// (RFC 8489 14.5 to 14.7). Any thread: each has HMAC contexts of its own, kept ready.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "stun/message.h"
#include "stun/protocol.h"

namespace causeway::stun {

inline constexpr std::size_t kSha1Size = 20;
inline constexpr std::size_t kSha256Size = 32;

// The key of a long-term credential (RFC 8489 9.2.2): MD5 or SHA-256 of user name, realm and password.
class Key {
 public:
  Key() = default;
  static Key long_term(std::string_view username, std::string_view realm, std::string_view password,
                       PasswordAlgorithm algorithm = PasswordAlgorithm::md5);
  // What long_term() makes of them, known without the password; of at most 64 bytes.
  static Key of_digest(std::span<const std::uint8_t> digest);
  // The password itself (RFC 8489 9.1.1), at most 64 bytes of it.
  static Key short_term(std::string_view password);
  std::span<const std::uint8_t> bytes() const { return std::span(bytes_).first(size_); }

 private:
  std::array<std::uint8_t, 64> bytes_{};
  std::size_t size_ = 0;
};

// SHA-256 of "user:realm" (RFC 8489 14.4).
std::array<std::uint8_t, kSha256Size> userhash_of(std::string_view username, std::string_view realm);

// Is the attribute there, of full length, and right? `type` is message_integrity or message_integrity_sha256.
bool check_integrity(const Message& message, Attribute type, const Key& key);

// HMAC of `header` (whose length counts the attribute already) and then `rest`; zeros if OpenSSL cannot.
std::array<std::uint8_t, kSha1Size> hmac_sha1(std::span<const std::uint8_t> key, std::string_view header,
                                              std::string_view rest);
std::array<std::uint8_t, kSha256Size> hmac_sha256(std::span<const std::uint8_t> key, std::string_view header,
                                                  std::string_view rest);

// CRC-32 (ITU V.42) of everything before the attribute, mixed with "STUN".
std::uint32_t fingerprint_of(std::string_view before);

}  // namespace causeway::stun
