// ECDSA P-256 keys: the identity of a peer, a user, an authority (protocol: "One rule").
//
// Signatures are 64 bytes (r and s, big endian), over SHA-256 of the message. Of the two signatures
// (r, s) and (r, n - s), both right by FIPS 186-5, only the one with the smaller s is made and taken:
// so nobody but the signer can make a second form of a signed thing. Public keys are 33 bytes,
// compressed. A PublicKey that was made from bytes is a point on the curve; a default one verifies
// nothing.
//
// Keys are cheap to copy and may be used by several threads: copies share one OpenSSL context, which
// is kept ready (making one costs as much as a signature) behind a lock.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/random.h"
#include "base/result.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace causeway::identity {

using Signature = std::array<std::uint8_t, 64>;
using Sha256 = std::array<std::uint8_t, 32>;
Sha256 sha256(std::span<const std::uint8_t> bytes);

// The first 20 bytes of SHA-256 of a public key; also the node id in the overlay.
class PeerId {
 public:
  PeerId() = default;
  explicit PeerId(const std::array<std::uint8_t, 20>& bytes) : bytes_(bytes) {}
  static std::optional<PeerId> parse(std::string_view base32_text);  // 32 characters, either case
  const std::array<std::uint8_t, 20>& bytes() const { return bytes_; }
  std::string text() const;  // 32 characters of [a-z2-7]
  auto operator<=>(const PeerId&) const = default;

 private:
  std::array<std::uint8_t, 20> bytes_{};
};

class PublicKey {
 public:
  static base::Result<PublicKey> from_bytes(std::span<const std::uint8_t> compressed33);
  const std::array<std::uint8_t, 33>& bytes() const { return bytes_; }
  bool verify(std::span<const std::uint8_t> message, const Signature& signature) const;
  PeerId peer_id() const;
  EVP_PKEY* native() const;
  bool operator==(const PublicKey& o) const { return bytes_ == o.bytes_; }

 private:
  struct Context;
  std::array<std::uint8_t, 33> bytes_{};
  std::shared_ptr<Context> context_;
};

class PrivateKey {
 public:
  static PrivateKey generate();
  // The same from this generator: with a seeded one, a simulation has the same peers at every run.
  static PrivateKey generate(base::Random& random);
  static base::Result<PrivateKey> from_pem(std::string_view pem);
  std::string pem() const;  // PKCS#8, unencrypted
  Signature sign(std::span<const std::uint8_t> message) const;
  const PublicKey& public_key() const { return public_key_; }
  EVP_PKEY* native() const;

 private:
  struct Context;
  static base::Result<PrivateKey> around(EVP_PKEY* owned);
  std::shared_ptr<Context> context_;
  PublicKey public_key_;
};

}  // namespace causeway::identity
