#include "relay/nonces.h"

#include <algorithm>

#include <openssl/crypto.h>

#include "base/encoding.h"
#include "base/limits.h"
#include "stun/integrity.h"
#include "stun/message.h"
#include "stun/writer.h"

namespace causeway::relay {

std::array<std::uint8_t, Nonces::kMacSize> Nonces::mac(std::string_view time, bool with_features,
                                                       const net::Address& client) const {
  char who[20] = {static_cast<char>(with_features), static_cast<char>(client.ip.is_v4())};
  stun::write_u16(who + 2, client.port);
  std::ranges::copy(client.ip.bytes(), who + 4);
  const auto whole = stun::hmac_sha256(key_, time, {who, sizeof who});
  std::array<std::uint8_t, kMacSize> first;
  std::copy_n(whole.begin(), kMacSize, first.begin());
  return first;
}

std::string Nonces::make(const net::Address& client, base::UnixMs now, bool with_features) const {
  std::array<std::uint8_t, 4 + kMacSize> bytes;
  char time[4];
  stun::write_u32(time, static_cast<std::uint32_t>(now / 1000));
  std::copy_n(time, 4, bytes.begin());
  std::ranges::copy(mac({time, 4}, with_features, client), bytes.begin() + 4);
  return (with_features ? stun::nonce_cookie(stun::kPasswordAlgorithms) : std::string()) +
         base::base64url(bytes);
}

Nonces::Checked Nonces::check(std::string_view nonce, const net::Address& client, base::UnixMs now) const {
  const bool with_features = stun::nonce_features(nonce) == stun::kPasswordAlgorithms;
  if (with_features) nonce.remove_prefix(stun::kNonceCookieSize);
  if (nonce.size() != 16) return {};
  const auto bytes = base::from_base64url(nonce);
  if (!bytes || bytes->size() != 4 + kMacSize) return {};
  const std::string_view time = base::as_text(*bytes).substr(0, 4);
  if (CRYPTO_memcmp(mac(time, with_features, client).data(), bytes->data() + 4, kMacSize) != 0) return {};
  // Seconds since 1970 wrap in 2106; differences do not mind.
  const auto age =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(now / 1000) - stun::read_u32(time, 0));
  const auto life = std::chrono::duration_cast<std::chrono::seconds>(limits::kNonceLife).count();
  return {age >= 0 && age <= life, with_features};
}

}  // namespace causeway::relay
