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
// record that a holder takes is one that a reader believes, and the other way round.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "identity/credential.h"
#include "identity/key.h"
#include "net/address.h"

namespace causeway::overlay {

enum class Kind : std::uint8_t { user = 1, service = 2, peer = 3 };
std::string_view kind_name(Kind kind);

inline constexpr std::size_t kMaxRecord = 1500;  // bytes; a user with eight contacts

struct Record {
  Kind kind = Kind::user;
  std::string uri;                  // normal form
  base::UnixMs sequence = 0;        // of the signer; the highest counts
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
  Record sign(Kind kind, std::string uri, base::UnixMs sequence, base::UnixMs expiry,
              base::Bytes body) const;
};

// ---- bodies

// One way to a user: a phone at a home peer.
struct UserContact {
  std::uint64_t instance = 0;           // identity::instance_hash
  identity::PeerId home;
  std::vector<net::Address> endpoints;  // of the home's peer link, at most kMaxEndpoints
  std::string token;                    // identity::TokenSealer's
  std::uint16_t q = 1000;               // thousandths
  base::UnixMs registered = 0;          // the newest registration of an instance counts
  base::UnixMs expiry = 0;
};
struct UserBody {
  std::vector<UserContact> contacts;    // at most kMaxContacts
};
struct ServiceBody {                    // of proxies: sip:D; relays: turn:D, teredo:D (later)
  identity::PeerId peer;
  std::vector<net::Address> links;      // peer link endpoints (TLS between members)
  std::vector<net::Endpoint> endpoints;  // public endpoints
  std::uint32_t capacity = 0, load = 0;
};
struct PeerBody {
  std::vector<net::Address> links;
};
inline constexpr std::size_t kMaxContacts = 8;
inline constexpr std::size_t kMaxEndpoints = 4;

base::Bytes encode(const UserBody& body);
base::Bytes encode(const ServiceBody& body);
base::Bytes encode(const PeerBody& body);
base::Result<UserBody> decode_user(std::span<const std::uint8_t> body);
base::Result<ServiceBody> decode_service(std::span<const std::uint8_t> body);
base::Result<PeerBody> decode_peer(std::span<const std::uint8_t> body);

// ---- the one rule

class RecordChecker {
 public:
  RecordChecker(std::string domain, identity::PublicKey authority, base::Metrics& metrics);

  // Decodes and checks everything: shape, limits, expiry (and that it is not too far ahead), domain,
  // credential, coverage, signature, body. The error says which of them failed. Credentials that were
  // checked before are remembered (by their hash, at most kMaxKnownCredentials).
  // `expected_uri`: what it must stand under; empty: anything.
  base::Result<Record> check(std::span<const std::uint8_t> encoded, std::string_view expected_uri,
                             base::UnixMs now);

  const std::string& domain() const { return domain_; }

 private:
  static constexpr std::size_t kMaxKnownCredentials = 4096;
  std::string domain_;
  identity::PublicKey authority_;
  struct Known;
  std::unordered_map<std::string, std::int64_t> known_;  // hash -> not after
  base::Metrics& metrics_;
};

// The longest a record may live, by kind (protocol: "Records").
base::Duration max_life(Kind kind);

// What a reader makes of all valid records under one URI: per signer the highest sequence, no
// tombstones, nothing expired.
std::vector<Record> newest_per_signer(std::vector<Record> records, base::UnixMs now);
// ... and for a user: per instance the newest registration, expired contacts left out, by q.
std::vector<UserContact> contacts_of(const std::vector<Record>& records, base::UnixMs now);

}  // namespace causeway::overlay
