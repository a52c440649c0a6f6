#include "identity/relay_token.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/limits.h"
#include "identity/openssl.h"
#include "identity/sealing.h"

namespace causeway::identity {
namespace {

// version (1), expiry in seconds (4), public key (32), length of the user (1), user, length of the credential
// (2), credential, signature (64)
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kFixed = 1 + 4 + 32 + 1 + 2 + 64;
constexpr std::string_view kPrefix = "causeway relay token";

using Agreement = std::array<std::uint8_t, 32>;

base::Bytes signed_message(std::span<const std::uint8_t> body) {
  base::Bytes message(kPrefix.begin(), kPrefix.end());
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

openssl::Pkey private_x25519(const TokenKey& key) {
  return openssl::Pkey(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, key.data(), key.size()));
}

TokenKey public_of(const TokenKey& private_key) {
  TokenKey out{};
  std::size_t size = out.size();
  const auto key = private_x25519(private_key);
  if (key) EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size);
  return out;
}

// Nothing if the other key is of small order (RFC 7748 6.1): OpenSSL refuses an agreement of zeros.
std::optional<Agreement> agree(const TokenKey& mine, const TokenKey& other) {
  openssl::ErrorScope scope;
  const auto key = private_x25519(mine);
  const openssl::Pkey peer(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, other.data(), other.size()));
  if (!key || !peer) return std::nullopt;
  openssl::PkeyCtx context(EVP_PKEY_CTX_new(key.get(), nullptr));
  Agreement shared;
  std::size_t size = shared.size();
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), shared.data(), &size) != 1)
    return std::nullopt;
  return shared;
}

std::string password_of(const Agreement& shared, const TokenKey& token, const TokenKey& relay) {
  std::string use = "relay token password ";
  use.append(token.begin(), token.end()).append(relay.begin(), relay.end());
  return base::base64url(derive_key(shared, use));
}

}  // namespace

base::Result<std::vector<RelayToken>> make_relay_tokens(std::string_view user, base::UnixMs expiry,
                                                        const PrivateKey& key, const Credential& credential,
                                                        std::span<const TokenKey> relays,
                                                        base::Random& random) {
  const std::string uri = fmt::format("sip:{}@{}", user, credential.domain);
  if (!is_user_part(user) || !credential.covers_uri(uri))
    return base::fail(
        "a relay token for {}: this credential does not cover it; a registrar's covers every user", uri);
  const std::int64_t seconds = expiry / 1000;
  if (seconds <= 0 || seconds > UINT32_MAX)
    return base::fail("a relay token: expected an expiry before 2106");
  TokenKey token_key;
  random.fill(token_key);
  const TokenKey token_public = public_of(token_key);
  const base::Bytes encoded = credential.encode();

  base::Bytes body{kVersion};
  for (int shift = 24; shift >= 0; shift -= 8) body.push_back(static_cast<std::uint8_t>(seconds >> shift));
  body.insert(body.end(), token_public.begin(), token_public.end());
  body.push_back(static_cast<std::uint8_t>(user.size()));
  body.insert(body.end(), user.begin(), user.end());
  body.push_back(static_cast<std::uint8_t>(encoded.size() >> 8));
  body.push_back(static_cast<std::uint8_t>(encoded.size()));
  body.insert(body.end(), encoded.begin(), encoded.end());
  const Signature signature = key.sign(signed_message(body));
  body.insert(body.end(), signature.begin(), signature.end());
  const std::string username = base::base64url(body);
  if (username.size() > limits::kMaxRelayToken)
    return base::fail(
        "a relay token for {}: {} characters, and TURN allows {}: the credential has too many URIs", uri,
        username.size(), limits::kMaxRelayToken);

  std::vector<RelayToken> tokens;
  for (const TokenKey& relay : relays) {
    const auto shared = agree(token_key, relay);
    if (!shared) return base::fail("a relay token for {}: the token key of a relay is no X25519 key", uri);
    tokens.push_back({username, password_of(*shared, token_public, relay)});
  }
  return tokens;
}

RelayTokens::RelayTokens(std::string domain, PublicKey authority, const PrivateKey& own)
    : domain_(std::move(domain)), authority_(std::move(authority)) {
  private_ = derive_key(sha256(base::as_bytes(own.pem())), "relay token key");
  public_ = public_of(private_);
}

bool RelayTokens::is_good(const Credential& credential, std::span<const std::uint8_t> encoded,
                          base::UnixMs now) {
  const Sha256 hash = sha256(encoded);
  const std::string name(hash.begin(), hash.end());
  if (known_.contains(name)) return credential.domain == domain_ && check_dates(credential, now).has_value();
  if (!check_credential(credential, domain_, authority_, now)) return false;
  if (known_.size() >= limits::kMaxKnownTokenCredentials) known_.clear();
  known_.insert(name);
  return true;
}

std::expected<RelayTokens::Granted, RelayTokens::Refusal> RelayTokens::check(std::string_view username,
                                                                             base::UnixMs now) {
  if (username.size() > limits::kMaxRelayToken) return std::unexpected(Refusal::malformed);
  const auto bytes = base::from_base64url(username);
  if (!bytes || bytes->size() < kFixed || (*bytes)[0] != kVersion) return std::unexpected(Refusal::malformed);
  const std::span<const std::uint8_t> all(*bytes);
  std::uint64_t seconds = 0;
  for (const std::uint8_t byte : all.subspan(1, 4)) seconds = seconds << 8 | byte;
  TokenKey token_public;
  std::ranges::copy(all.subspan(5, token_public.size()), token_public.begin());
  const std::size_t user_size = all[37];
  if (all.size() < kFixed + user_size) return std::unexpected(Refusal::malformed);
  const std::string user(base::as_text(all.subspan(38, user_size)));
  const std::size_t at = 38 + user_size;
  const std::size_t credential_size = std::size_t{all[at]} << 8 | all[at + 1];
  if (all.size() != kFixed + user_size + credential_size) return std::unexpected(Refusal::malformed);
  const auto encoded = all.subspan(at + 2, credential_size);
  const auto until = static_cast<base::UnixMs>(seconds) * 1000;
  if (until <= now) return std::unexpected(Refusal::expired);  // before what costs
  const auto credential = Credential::decode(encoded);
  if (!credential || !is_user_part(user)) return std::unexpected(Refusal::malformed);

  Signature signature;
  std::ranges::copy(all.last(signature.size()), signature.begin());
  if (!credential->covers_uri(fmt::format("sip:{}@{}", user, domain_)) ||
      !is_good(*credential, encoded, now) ||
      !credential->key.verify(signed_message(all.first(all.size() - signature.size())), signature))
    return std::unexpected(Refusal::forged);
  const auto shared = agree(private_, token_public);
  if (!shared) return std::unexpected(Refusal::forged);
  return Granted{user, password_of(*shared, token_public, public_), until};
}

}  // namespace causeway::identity
