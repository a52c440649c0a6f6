// Records, and the one rule that makes them worth anything:
//
//   A record stored under a URI is valid if it is signed by the key of a credential which the
//   authority of D issued, which is in date and not revoked, and which covers that URI.
//
// Wire form (MessagePack, this order, one form for each value; unknown trailing fields are kept and
// covered by the signature):
//
//   [ version=1, kind, uri, sequence, expiry, body (bytes), credential (bytes), ..., signature (64) ]
//
// The signature is over everything before it, with "causeway record" in front.
//
// The same check() is used by the peer that is asked to store a record and by every reader, so that a
// record that a holder takes is one that a reader believes, and the other way round. Beyond the rule
// it asks that
//   - the kind fits the URI: user sip:USER@D; service sip:D, turn:D, teredo:D; peer sip:_PEERID@D
//   - the sequence is not more than kMaxAhead in the future, else one wrong clock could silence a
//     signer for good
//   - it has not expired, nor expires later than its kind may live (plus that skew of clocks)
//   - the signer speaks for itself: a service or peer record says where the signer is, and a registrar
//     (who covers every user) says only who is registered at itself.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "identity/credential.h"
#include "identity/key.h"
#include "identity/relay_token.h"
#include "net/address.h"

namespace causeway::overlay {

enum class Kind : std::uint8_t { user = 1, service = 2, peer = 3 };
std::string_view kind_name(Kind kind);

inline constexpr std::size_t kMaxUri = 4 + identity::limits::kMaxUserPart + 1 + identity::limits::kMaxDomain;
inline constexpr base::Duration kMaxAhead = std::chrono::seconds(identity::kClockSkewSeconds);

struct Record {
  Kind kind = Kind::user;
  std::string uri;            // normal form
  base::UnixMs sequence = 0;  // of the signer; the highest counts
  base::UnixMs expiry = 0;
  base::Bytes body;                 // empty: a tombstone (nothing stands under this URI any more)
  identity::Credential credential;  // of the signer
  base::Bytes encoded;              // the whole, as signed

  identity::PeerId signer() const { return credential.key.peer_id(); }
  bool is_tombstone() const { return body.empty(); }
};

// Who signs: a member's key and credential.
struct Signer {
  identity::PrivateKey key;
  identity::Credential credential;
  Record sign(Kind kind, std::string uri, base::UnixMs sequence, base::UnixMs expiry, base::Bytes body) const;
};

// ---- bodies

// A public peer through which one that cannot be reached itself is reached (public_links.h).
struct ViaPeer {
  identity::PeerId peer;
  std::vector<net::Address> links;  // of its peer link, at most limits::kMaxEndpoints
  bool operator==(const ViaPeer&) const = default;
};

// One way to a user: a phone at a home peer.
struct UserContact {
  std::uint64_t instance = 0;  // identity::instance_hash
  identity::PeerId home;
  std::vector<net::Address> endpoints;  // of the home's peer link, at most limits::kMaxEndpoints
  std::string token;                    // identity::TokenSealer's
  std::uint16_t q = 1000;               // thousandths
  base::UnixMs registered = 0;          // the newest registration of an instance counts
  base::UnixMs expiry = 0;
  std::vector<ViaPeer> vias;  // of its home; contacts_of takes them from the record, where they stand once
};
struct UserBody {
  std::vector<UserContact> contacts;  // at most limits::kMaxContacts
  std::vector<ViaPeer> vias;          // of the signer, the home of all; at most limits::kMaxVias
};
struct ServiceBody {  // of proxies: sip:D; relays: turn:D, teredo:D (later)
  identity::PeerId peer;
  std::vector<net::Address> links;       // peer link endpoints (TLS between members)
  std::vector<net::Endpoint> endpoints;  // public endpoints, at most limits::kMaxServiceEndpoints
  std::uint32_t capacity = 0, load = 0;
  std::optional<identity::TokenKey> token_key;  // of relays
  bool operator==(const ServiceBody&) const = default;
};
struct PeerBody {
  std::vector<net::Address> links;
  std::vector<ViaPeer> vias;
};
// Encoders leave out what is beyond these numbers. Decoders refuse it, and pass over fields that later
// versions may add at the end of a contact or a body.

base::Bytes encode(const UserBody& body);
base::Bytes encode(const ServiceBody& body);
base::Bytes encode(const PeerBody& body);
base::Result<UserBody> decode_user(std::span<const std::uint8_t> body);
base::Result<ServiceBody> decode_service(std::span<const std::uint8_t> body);
base::Result<PeerBody> decode_peer(std::span<const std::uint8_t> body);

// ---- the one rule

// Why a record was refused; each has its counter overlay_records_refused_total{reason="..."}.
enum class Refusal : std::uint8_t {
  malformed,  // not the wire form, or too long
  wrong_uri,  // stands under another URI than its own
  wrong_domain,
  wrong_kind,   // the kind does not fit the URI
  from_future,  // sequence
  expired,
  long_expired,  // by so much that a clock must be wrong
  lives_too_long,
  bad_credential,  // cannot be read, out of date, another domain's or authority's
  not_covered,
  bad_signature,
  bad_body,  // cannot be read, or speaks for another than the signer
};
std::string_view refusal_name(Refusal refusal);
inline constexpr std::size_t kRefusals = 12;

class RecordChecker {
 public:
  RecordChecker(std::string domain, identity::PublicKey authority, base::Metrics& metrics);

  // Decodes and checks everything: shape, limits, expiry (and that it is not too far ahead), domain,
  // credential, coverage, signature, body. The error says which of them failed. Credentials that were
  // checked before are remembered (by their hash, at most limits::kMaxKnownCredentials).
  // `expected_uri`: what it must stand under; empty: anything.
  base::Result<Record> check(std::span<const std::uint8_t> encoded, std::string_view expected_uri,
                             base::UnixMs now);

  const std::string& domain() const { return domain_; }
  std::size_t known_credentials() const { return recent_.size() + older_.size(); }

 private:
  struct Refused {
    Refusal why;
    std::string message;
  };
  template <class T>
  using Checked = std::expected<T, Refused>;
  struct Hash {  // what is hashed is a SHA-256 already
    std::size_t operator()(const identity::Sha256& h) const noexcept;
  };
  // Two generations: when `recent_` is full it becomes `older_`. What is used moves back, so what
  // is forgotten has not been used for a long time, and nothing needs to be ordered.
  using Credentials = std::unordered_map<identity::Sha256, identity::Credential, Hash>;

  Checked<Record> check_all(std::span<const std::uint8_t> encoded, std::string_view expected_uri,
                            base::UnixMs now);
  Checked<const identity::Credential*> credential(std::span<const std::uint8_t> encoded, base::UnixMs now);
  void warn_of_clock(std::string_view what, base::UnixMs now);
  const identity::Credential* remember(const identity::Sha256& hash, identity::Credential credential);

  std::string domain_;
  identity::PublicKey authority_;
  Credentials recent_, older_;
  base::Counter& accepted_;
  base::Counter& credentials_verified_;
  std::vector<base::Counter*> refused_;  // by Refusal
  base::UnixMs clock_warned_ = 0;
};

// The longest a record may live, by kind (protocol: "Records").
base::Duration max_life(Kind kind);

// What a reader makes of all valid records under one URI: per signer the highest sequence, no
// tombstones, nothing expired. Of two with the same sequence a tombstone counts, else the same one
// everywhere. In no particular order.
std::vector<Record> newest_per_signer(std::vector<Record> records, base::UnixMs now);
// ... and for a user: per instance the newest registration, expired contacts left out, by q (highest
// first; of the same q the newest). Takes all records: it leaves out what newest_per_signer does.
std::vector<UserContact> contacts_of(const std::vector<Record>& records, base::UnixMs now);

}  // namespace causeway::overlay
