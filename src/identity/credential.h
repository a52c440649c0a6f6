// Credentials: what the authority of a domain D says about a key.
//
//   [ version=1, domain, public key (33 bytes), [covers...], not before, not after, serial, issuer's
//     signature over all before it ]                                  MessagePack, about 200 bytes
//
// `covers` are URIs with D left out, since it stands in the credential: "sip:alice@" covers
// sip:alice@D, "sip:" the proxies' sip:D, "turn:" and "teredo:" the relays', "sip:*@" every user (a
// registrar may speak for phones; not for names that begin with '_'). "sip:_PEERID@", for the
// key's own PEERID, is covered by every credential without being written down.
//
// Times are seconds since 1970. Clocks of members may differ by kClockSkew.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "identity/key.h"

namespace causeway::identity {

// Members' clocks may be wrong by this much before credentials and records seem out of date.
inline constexpr std::int64_t kClockSkewSeconds = 300;
inline constexpr std::size_t kMaxCredential = 1024;  // bytes; five roles and a few users fit in 400

enum class Role : std::uint8_t { registrar, proxy, relay };
base::Result<Role> parse_role(std::string_view name);
std::string_view role_name(Role role);
std::vector<std::string> covers_of(Role role);  // {"sip:*@"}, {"sip:"}, {"turn:", "teredo:"}

struct Credential {
  std::string domain;
  PublicKey key;
  std::vector<std::string> covers;
  std::uint64_t not_before = 0, not_after = 0;  // seconds
  std::uint64_t serial = 0;
  Signature signature{};

  // Does it cover this URI ("sip:alice@D", "sip:D", "turn:D", "sip:_PEERID@D")? The URI must be in
  // normal form (sip::address_of_record's).
  bool covers_uri(std::string_view uri) const;
  base::Bytes encode() const;
  // Decodes and checks the shape and limits, not the signature.
  static base::Result<Credential> decode(std::span<const std::uint8_t> bytes);
};

// "out of date since ...", "signed by another authority": sentences for people.
base::Status check_credential(const Credential& credential, std::string_view domain,
                              const PublicKey& authority, base::UnixMs now);

}  // namespace causeway::identity
