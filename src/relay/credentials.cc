#include "relay/credentials.h"

#include <charconv>

#include "base/encoding.h"
#include "stun/integrity.h"

namespace causeway::relay {

std::string SharedSecret::password(std::string_view secret, std::string_view username) {
  return base::base64(stun::hmac_sha1(base::as_bytes(secret), username, {}));
}

std::expected<Grant, Refusal> SharedSecret::find(std::string_view username, base::UnixMs now) {
  std::uint64_t expiry = 0;
  const char* end = username.data() + username.size();
  const auto [at, error] = std::from_chars(username.data(), end, expiry);
  if (error != std::errc{} || expiry > INT64_MAX / 1000 || (at != end && *at != ':'))
    return std::unexpected(Refusal::unknown);
  const auto until = static_cast<base::UnixMs>(expiry) * 1000;
  if (until <= now) return std::unexpected(Refusal::expired);
  return Grant{.user = std::string(at == end ? at : at + 1, end),
               .password = password(secret_, username),
               .until = until};
}

}  // namespace causeway::relay
