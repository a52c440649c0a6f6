// Who may use the relay: from a USERNAME to a user and a password.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "identity/accounts.h"
#include "stun/integrity.h"

namespace causeway::relay {

struct Grant {
  std::string user;  // for whom quotas count
  std::string password;
  base::UnixMs until;              // the user name says itself how long it is good
  identity::Account secrets = {};  // in place of the password, where only its digests are known

  // The long-term key (RFC 8489 9.2.2); nobody's if there is no secret for this algorithm.
  stun::Key key(std::string_view username, std::string_view realm, stun::PasswordAlgorithm algorithm) const;
};

enum class Refusal : std::uint8_t { unknown, expired, forged };

class Credentials {
 public:
  virtual ~Credentials() = default;
  virtual std::expected<Grant, Refusal> find(std::string_view username, base::UnixMs now) = 0;
};

// User names that whoever knows a secret can make, for clients set up by hand: `expiry:user`, expiry in
// seconds since 1970, with the password base64(HMAC-SHA1(secret, user name)). TURN servers in wide use have
// the same.
class SharedSecret final : public Credentials {
 public:
  explicit SharedSecret(std::string secret) : secret_(std::move(secret)) {}
  std::expected<Grant, Refusal> find(std::string_view username, base::UnixMs now) override;
  static std::string password(std::string_view secret, std::string_view username);

 private:
  std::string secret_;
};

// Phones that know TURN but neither tokens nor secrets have what they have: user name and password of their
// account. Its digest secrets are made of user, D and password, as TURN's key is with D for a realm.
class AccountHolders final : public Credentials {
 public:
  void set(std::shared_ptr<const identity::Accounts> accounts) { accounts_ = std::move(accounts); }
  std::expected<Grant, Refusal> find(std::string_view username, base::UnixMs now) override;

 private:
  std::shared_ptr<const identity::Accounts> accounts_;
};

}  // namespace causeway::relay
