// Credentials: what the authority of a domain D says about a key.
//
//   [ version=1, domain, public key (33 bytes), [covers...], not before, not after, serial, issuer's
//     signature over all before it ]                                  MessagePack, about 200 bytes
//
// The signature has "causeway credential" in front, so that it is never a signature of anything else.
//
// `covers` are URIs with D left out, since it stands in the credential: "sip:alice@" covers
// sip:alice@D, "sip:" the proxies' sip:D, "turn:" and "teredo:" the relays', "sip:*@" every user (a
// registrar may speak for phones; not for names that begin with '_'). "sip:_PEERID@", for the
// key's own PEERID, is covered by every credential without being written down.
//
// Times are seconds since 1970. Clocks of members may differ by kClockSkew.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "identity/key.h"

namespace causeway::identity {

// Members' clocks may be wrong by this much before credentials and records seem out of date.
inline constexpr std::int64_t kClockSkewSeconds = 300;
// The end of the year 9999, the last second that X.509 can say. No time in a credential is later.
inline constexpr std::uint64_t kMaxSeconds = 253402300799;

enum class Role : std::uint8_t { registrar, proxy, relay };
base::Result<Role> parse_role(std::string_view name);
std::string_view role_name(Role role);
std::vector<std::string> covers_of(Role role);  // {"sip:*@"}, {"sip:"}, {"turn:", "teredo:"}

// The overlay identifier (draft 2.1): a fully qualified domain name of at least two labels of letters,
// digits and hyphens, no IP address. Gives it in lower case.
base::Result<std::string> parse_domain(std::string_view text);

// Is this a user part in normal form (RFC 3261 25.1 `user`; no escape where none is needed), at
// most limits::kMaxUserPart long? The name of a person or phone, so not one that begins with '_'.
bool is_user_part(std::string_view user);

// What a URI of the overlay names, if it is one in normal form: sip:USER@D, sip:D, sip:_PEERID@D.
struct OverlayUri {
  std::string_view scheme;  // "sip", "turn", "teredo"
  std::string_view user;    // empty: none
  std::string_view domain;
  std::optional<PeerId> peer;  // user is '_' and this
};
std::optional<OverlayUri> parse_overlay_uri(std::string_view uri);

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
  bool covers_any_user() const;  // "sip:*@": it is a registrar's
  base::Bytes encode() const;
  // Decodes and checks the shape and limits, not the signature.
  static base::Result<Credential> decode(std::span<const std::uint8_t> bytes);

  // As the authority: signs what the other members say.
  void sign(const PrivateKey& authority);
  bool signed_by(const PublicKey& authority) const;
};

// "out of date since ...", "signed by another authority": sentences for people.
base::Status check_credential(const Credential& credential, std::string_view domain,
                              const PublicKey& authority, base::UnixMs now);
// The part of it that changes with time.
base::Status check_dates(const Credential& credential, base::UnixMs now);

// "2026-11-22 10:00:00 UTC"
std::string utc_text(std::int64_t seconds);

}  // namespace causeway::identity
