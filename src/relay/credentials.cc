#include "relay/credentials.h"

#include <charconv>

#include "base/encoding.h"

namespace causeway::relay {
namespace {

constexpr base::UnixMs kForever = INT64_MAX;

}  // namespace

stun::Key Grant::key(std::string_view username, std::string_view realm,
                     stun::PasswordAlgorithm algorithm) const {
  if (!password.empty()) return stun::Key::long_term(username, realm, password, algorithm);
  const bool md5 = algorithm == stun::PasswordAlgorithm::md5;
  const auto digest = base::from_hex(md5 ? secrets.ha1_md5 : secrets.ha1_sha256);
  return digest ? stun::Key::of_digest(*digest) : stun::Key{};
}

std::expected<Grant, Refusal> AccountHolders::find(std::string_view username, base::UnixMs) {
  const identity::Account* account = accounts_ ? accounts_->find(username) : nullptr;
  if (!account) return std::unexpected(Refusal::unknown);
  return Grant{.user = std::string(username), .password = {}, .until = kForever, .secrets = *account};
}

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
