// What is sealed with the domain's network key: overlay datagrams and flow tokens. Each use has a key
// of its own, derived from the network key by HKDF-SHA256 with the use as label, so that none can be
// taken for another.
//
// Datagrams: ChaCha20-Poly1305 (RFC 8439) with a random 96-bit nonce, under a key that changes every
// day (random nonces of one key are safe for 2^32 datagrams; a domain of 1,000 peers sends 2^28 a
// day). Layout: day (4 bytes, big endian), nonce (12), ciphertext and tag. A datagram of a day more than
// one off is refused and counted as a wrong clock.
//
// Tokens: AES-SIV (RFC 5297): the same flow gives the same token, it cannot be forged or read outside,
// and no nonce can be repeated by mistake.
//
// A sealer keeps OpenSSL contexts ready and belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/random.h"
#include "base/time.h"
#include "identity/bundle.h"
#include "net/address.h"

namespace causeway::identity {

// A key for one use, from the network key: HKDF-SHA256 (RFC 5869) with "causeway " and `use` as info.
std::array<std::uint8_t, 32> derive_key(const NetworkKey& key, std::string_view use);

class DatagramSealer {
 public:
  static constexpr std::size_t kOverhead = 4 + 12 + 16;
  DatagramSealer(const NetworkKey& key, base::Random& random);
  ~DatagramSealer();
  // Both replace what stands in `out`; if opening fails it is empty.
  void seal(std::span<const std::uint8_t> plain, base::UnixMs now, base::Bytes& out);
  enum class Opened { ok, too_short, wrong_day, forged };
  Opened open(std::span<const std::uint8_t> sealed, base::UnixMs now, base::Bytes& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a flow token says (protocol: "one flow at a peer"): which user, which instance of his, and
// where that phone was. Any member can open it.
struct FlowToken {
  std::string user;            // "alice" (is_user_part), or empty: nobody registered
  std::uint64_t instance = 0;  // instance_hash
  net::Transport transport = net::Transport::udp;
  net::Address source;  // where its REGISTER (or its request) came from
};

// What names an instance: the first 8 bytes of SHA-256 of +sip.instance (or of the Contact URI if the
// phone gives none).
std::uint64_t instance_hash(std::string_view instance);

class TokenSealer {
 public:
  explicit TokenSealer(const NetworkKey& key);
  ~TokenSealer();
  // base64url: 48 characters for alice at an IPv4 address, 64 at an IPv6 one. Empty if the user is no
  // user part.
  std::string seal(const FlowToken& token) const;
  std::optional<FlowToken> open(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::identity
