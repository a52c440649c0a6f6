// Relay tokens: a TURN user name and password that need no shared secret and no list of accounts at the
// relay.
//
//   user name  base64url of: version, expiry, X25519 public key, user, credential, signature of all before it
//   password   base64url of HKDF-SHA256 over the X25519 agreement of that key and the relay's token key
//
// The user name is signed by the key of a credential that covers sip:USER@D: the user's own agent's, or a
// registrar's for its phones; the relay checks it by the one rule (credential.h). Whoever has seen the user
// name pass has not the password: for it one needs the token's private X25519 key, which its maker forgets,
// or the relay's. For another relay the same user name has another password.
#pragma once

#include <array>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "identity/credential.h"
#include "identity/key.h"

namespace causeway::identity {

using TokenKey = std::array<std::uint8_t, 32>;  // X25519 public key of a relay, as in its service record

struct RelayToken {
  std::string username, password;
};

// Makes one token for each of the relays (all with one signature and one user name); `user` as in sip:USER@D.
// Fails if the credential does not cover the user, or the user name would be longer than TURN allows.
base::Result<std::vector<RelayToken>> make_relay_tokens(std::string_view user, base::UnixMs expiry,
                                                        const PrivateKey& key, const Credential& credential,
                                                        std::span<const TokenKey> relays,
                                                        base::Random& random);

// A relay's side. One thread.
class RelayTokens {
 public:
  // The token key follows from the peer's own key, so that tokens outlive a restart.
  RelayTokens(std::string domain, PublicKey authority, const PrivateKey& own);
  const TokenKey& public_key() const { return public_; }

  enum class Refusal : std::uint8_t { malformed, expired, forged };
  struct Granted {
    std::string user;
    std::string password;
    base::UnixMs until;
  };
  std::expected<Granted, Refusal> check(std::string_view username, base::UnixMs now);
  std::size_t known() const { return known_.size(); }  // credentials whose signature need not be checked

 private:
  bool is_good(const Credential& credential, std::span<const std::uint8_t> encoded, base::UnixMs now);
  std::string domain_;
  PublicKey authority_;
  TokenKey private_{}, public_{};
  // Credentials whose signature was right, by their hash; when it is full all are forgotten.
  std::unordered_set<std::string> known_;
};

}  // namespace causeway::identity
