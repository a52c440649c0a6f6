// Digest authentication (RFC 8760: SHA-256 first, MD5 for old phones; RFC 3261 22).
//
// Server side, without state: a nonce is its time and a keyed hash over it, so any registrar of the
// domain (they share a key) can check one that another has given. A nonce lives for limits::kNonceLife; older
// ones get stale=true and the phone tries again without asking its user.
//
// What is not offered is refused: MD5-sess, SHA-512-256, auth-int, hashed user names. SHA-256 wants
// qop=auth; MD5 may come without qop, as phones of before RFC 2617 send it. Which algorithms an
// account accepts is decided by its secrets alone, and the length of a response must be that of its
// algorithm. nc is not followed (that would be state): within that time a response can be replayed,
// with the same method and digest URI, by who could read it; hence TLS.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "sip/parse_error.h"

namespace causeway::sip {

enum class DigestAlgorithm : std::uint8_t { md5, sha256 };
std::string_view digest_name(DigestAlgorithm algorithm);
std::optional<DigestAlgorithm> parse_digest_name(std::string_view name);  // "SHA-256"

// H(user:realm:password) in lower-case hex, as accounts keep it.
std::string make_ha1(DigestAlgorithm algorithm, std::string_view user, std::string_view realm,
                     std::string_view password);

// The parts of an Authorization or Proxy-Authorization value; views into it, without quotes but with
// the escapes as they came: unquote_user gives the user name to look up.
//
// Parameters may stand in any order, and be quoted or not: phones differ in both. One that comes twice
// is refused.
struct DigestResponse {
  std::string_view username, realm, nonce, uri, response, cnonce, nc, qop, opaque;
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
};
std::string unquote_user(const DigestResponse& response);
// RFC 3261 22.4: the URI that the response is for is the Request-URI, or was before a proxy changed it.
bool is_for_uri(const DigestResponse& response, std::string_view request_uri);
Parsed<DigestResponse> parse_digest_response(std::string_view value);

// Its texts are as they came, without quotes but with escapes.
struct DigestChallenge {
  std::string realm, nonce, opaque;
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  bool qop_auth = false;
  bool stale = false;
};
Parsed<DigestChallenge> parse_digest_challenge(std::string_view value);

// Secrets of one account, which keeps them.
struct DigestSecrets {
  std::string_view ha1_md5;  // empty: this algorithm is not allowed
  std::string_view ha1_sha256;
};

class DigestVerifier {
 public:
  // `key`: 32 bytes shared by the registrars of the domain.
  DigestVerifier(std::string realm, std::array<std::uint8_t, 32> key);

  // What is asked for, in this order (RFC 8760 2.4: the preferred first). At first both, SHA-256
  // before MD5. An answer by any algorithm that the account has a secret for is accepted.
  void offer(std::vector<DigestAlgorithm> algorithms) { offered_ = std::move(algorithms); }

  // Values for WWW-Authenticate or Proxy-Authenticate, one for each algorithm offered.
  std::vector<std::string> challenges(base::UnixMs now, bool stale) const;

  enum class Verdict { ok, wrong, stale, malformed };
  // `method` of the request. The secrets are those of the response's user, whom the caller has looked
  // up. stale: the answer is right, but to a nonce that is too old or not ours.
  Verdict check(const DigestResponse& response, const DigestSecrets& secrets, std::string_view method,
                base::UnixMs now) const;

  const std::string& realm() const { return realm_; }

 private:
  using Nonce = std::array<char, 48>;
  Nonce nonce(base::UnixMs now) const;
  bool is_fresh(std::string_view nonce, base::UnixMs now) const;
  std::string realm_;
  std::array<std::uint8_t, 32> key_;
  std::vector<DigestAlgorithm> offered_{DigestAlgorithm::sha256, DigestAlgorithm::md5};
};

// Client side: the value of Authorization for a challenge. Empty if the algorithm is not there.
std::string answer_challenge(const DigestChallenge& challenge, std::string_view user,
                             std::string_view password, std::string_view method, std::string_view uri,
                             std::string_view cnonce, std::uint32_t nonce_count);

}  // namespace causeway::sip
