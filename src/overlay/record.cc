#include "overlay/record.h"
#include "base/limits.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/msgpack.h"

namespace causeway::overlay {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::string_view kPrefix = "causeway record";
constexpr std::size_t kFields = 8;  // of this version
constexpr std::size_t kSignature = std::tuple_size_v<identity::Signature>;

base::Bytes signed_message(std::span<const std::uint8_t> before_signature) {
  base::Bytes message(kPrefix.size() + before_signature.size());
  std::ranges::copy(before_signature, std::ranges::copy(kPrefix, message.begin()).out);
  return message;
}

// A record as it stands in the bytes; nothing of it is believed yet.
struct Wire {
  Kind kind{};
  std::string_view uri;
  base::UnixMs sequence = 0, expiry = 0;
  std::span<const std::uint8_t> body, credential, before_signature;
  identity::Signature signature{};
};

std::optional<base::UnixMs> read_time(base::MsgpackReader& in) {
  auto value = in.uint();
  if (!value || *value > identity::kMaxSeconds * 1000) return std::nullopt;
  return static_cast<base::UnixMs>(*value);
}

std::optional<Wire> read_wire(std::span<const std::uint8_t> encoded) {
  base::MsgpackReader in(encoded);
  auto fields = in.array(limits::kMaxFields);
  auto version = in.uint();
  auto kind = in.uint();
  auto uri = in.text(kMaxUri);
  auto sequence = read_time(in), expiry = read_time(in);
  auto body = in.bytes(limits::kMaxRecord);
  auto credential = in.bytes(identity::limits::kMaxCredential);
  if (!credential || !sequence || !expiry || *fields < kFields || *version != kVersion) return std::nullopt;
  if (*kind < 1 || *kind > static_cast<std::uint64_t>(Kind::peer)) return std::nullopt;
  for (std::size_t i = kFields; i < *fields; ++i)
    if (!in.skip()) return std::nullopt;
  Wire out{static_cast<Kind>(*kind),   *uri, *sequence, *expiry, *body, *credential,
           encoded.first(in.offset()), {}};
  auto signature = in.bytes(kSignature);
  if (!signature || signature->size() != kSignature || !in.at_end()) return std::nullopt;
  std::ranges::copy(*signature, out.signature.begin());
  return out;
}

// For messages: a stranger's bytes do not belong in a log as they are.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 80));
  std::ranges::replace_if(
      out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

bool kind_fits(Kind kind, const identity::OverlayUri& uri) {
  switch (kind) {
    case Kind::user:
      return !uri.user.empty() && !uri.peer;
    case Kind::service:
      return uri.user.empty();
    case Kind::peer:
      return uri.peer.has_value();
  }
  return false;
}

// Whom a record speaks for: see the head of record.h.
base::Status check_user_body(const Wire& record, const identity::Credential& signer, base::UnixMs now) {
  auto body = decode_user(record.body);
  if (!body) return std::unexpected(body.error());
  identity::PeerId self = signer.key.peer_id();
  for (const UserContact& contact : body->contacts) {
    if (signer.covers_any_user() && contact.home != self)
      return base::fail("expected a registrar to speak for phones at itself, {}; it speaks for one at {}",
                        self.text(), contact.home.text());
    if (contact.registered > now + kMaxAhead.count())
      return base::fail("a contact was registered {} s in the future: a clock is wrong",
                        (contact.registered - now) / 1000);
  }
  return {};
}

base::Status check_body(const Wire& record, const identity::Credential& signer, base::UnixMs now) {
  if (record.body.empty()) return {};  // a tombstone
  if (record.kind == Kind::user) return check_user_body(record, signer, now);
  if (record.kind == Kind::peer) {
    auto body = decode_peer(record.body);
    return body ? base::Status{} : std::unexpected(body.error());
  }
  auto body = decode_service(record.body);
  if (!body) return std::unexpected(body.error());
  if (body->peer != signer.key.peer_id())
    return base::fail("expected a peer to offer its own service, {}; it offers that of {}",
                      signer.key.peer_id().text(), body->peer.text());
  return {};
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::user:
      return "user";
    case Kind::service:
      return "service";
    case Kind::peer:
      return "peer";
  }
  return "unknown";
}

base::Duration max_life(Kind kind) {
  return kind == Kind::user ? base::Duration(std::chrono::minutes(10))
                            : base::Duration(std::chrono::minutes(2));
}

Record Signer::sign(Kind kind, std::string uri, base::UnixMs sequence, base::UnixMs expiry,
                    base::Bytes body) const {
  base::MsgpackWriter out;
  out.array(kFields);
  out.uint(kVersion);
  out.uint(static_cast<std::uint64_t>(kind));
  out.text(uri);
  out.uint(static_cast<std::uint64_t>(std::max<base::UnixMs>(sequence, 0)));
  out.uint(static_cast<std::uint64_t>(std::max<base::UnixMs>(expiry, 0)));
  out.bytes(body);
  out.bytes(credential.encode());
  out.bytes(key.sign(signed_message(out.data())));
  return {kind, std::move(uri), sequence, expiry, std::move(body), credential, out.take()};
}

// ---- the one rule

std::string_view refusal_name(Refusal refusal) {
  constexpr std::string_view kNames[kRefusals] = {
      "malformed",    "wrong_uri",      "wrong_domain",   "wrong_kind",  "from_future",   "expired",
      "long_expired", "lives_too_long", "bad_credential", "not_covered", "bad_signature", "bad_body"};
  return kNames[static_cast<std::size_t>(refusal)];
}

namespace {

// Holders let a record go within an hour of its end, so one older than this was never fresh here.
constexpr base::Duration kLongExpired = std::chrono::hours(2);
constexpr base::Duration kClockWarning = std::chrono::minutes(1);

}  // namespace

std::size_t RecordChecker::Hash::operator()(const identity::Sha256& h) const noexcept {
  std::size_t out;
  std::memcpy(&out, h.data(), sizeof out);
  return out;
}

RecordChecker::RecordChecker(std::string domain, identity::PublicKey authority, base::Metrics& metrics)
    : domain_(std::move(domain)),
      authority_(std::move(authority)),
      accepted_(metrics.counter("overlay_records_accepted_total", "records that passed the one rule")),
      credentials_verified_(metrics.counter("overlay_credentials_verified_total",
                                            "credentials whose signature was checked, not remembered")) {
  for (std::size_t i = 0; i < kRefusals; ++i)
    refused_.push_back(&metrics.counter(
        fmt::format("overlay_records_refused_total{{reason=\"{}\"}}", refusal_name(static_cast<Refusal>(i))),
        "records that did not pass the one rule, by the first thing that was wrong"));
}

// A clock that is wrong by hours makes a member invisible, and everybody invisible to it, so both
// sides are told. No signature was checked: a hostile member can provoke this line, once a minute.
void RecordChecker::warn_of_clock(std::string_view what, base::UnixMs now) {
  if (now < clock_warned_ + kClockWarning.count() && now >= clock_warned_) return;
  clock_warned_ = now;
  base::log::warn("overlay",
                  "{}. The clock of this machine or of the member that signed it is wrong (here it is {}): "
                  "set both by NTP",
                  what, identity::utc_text(now / 1000));
}

base::Result<Record> RecordChecker::check(std::span<const std::uint8_t> encoded,
                                          std::string_view expected_uri, base::UnixMs now) {
  auto record = check_all(encoded, expected_uri, now);
  if (!record) {
    ++*refused_[static_cast<std::size_t>(record.error().why)];
    if (record.error().why == Refusal::from_future || record.error().why == Refusal::long_expired)
      warn_of_clock(record.error().message, now);
    return std::unexpected(base::Error{std::move(record.error().message)});
  }
  ++accepted_;
  return std::move(*record);
}

namespace {

struct Doubt {
  Refusal why;
  std::string message;
};

// What can be said without any cryptography: most of what is refused ends here.
std::optional<Doubt> doubt_about(const Wire& wire, std::string_view expected_uri, std::string_view domain,
                                 base::UnixMs now) {
  if (!expected_uri.empty() && wire.uri != expected_uri)
    return Doubt{Refusal::wrong_uri, fmt::format("expected a record of {}, found one of '{}'", expected_uri,
                                                 printable(wire.uri))};
  auto uri = identity::parse_overlay_uri(wire.uri);
  if (!uri)
    return Doubt{Refusal::wrong_uri, fmt::format("expected a URI of the overlay in normal form, found '{}'",
                                                 printable(wire.uri))};
  if (uri->domain != domain)
    return Doubt{Refusal::wrong_domain,
                 fmt::format("expected a record of {}, found one of {}", domain, uri->domain)};
  if (!kind_fits(wire.kind, *uri))
    return Doubt{Refusal::wrong_kind,
                 fmt::format("a {} record cannot stand under {}", kind_name(wire.kind), wire.uri)};
  if (wire.sequence > now + kMaxAhead.count())
    return Doubt{Refusal::from_future,
                 fmt::format("the record was signed {} s in the future: a clock is wrong",
                             (wire.sequence - now) / 1000)};
  if (wire.expiry + kLongExpired.count() <= now)
    return Doubt{Refusal::long_expired,
                 fmt::format("the record expired {} s ago", (now - wire.expiry) / 1000)};
  if (wire.expiry <= now)
    return Doubt{Refusal::expired, fmt::format("the record expired {} s ago", (now - wire.expiry) / 1000)};
  if (wire.expiry > now + (max_life(wire.kind) + kMaxAhead).count())
    return Doubt{Refusal::lives_too_long, fmt::format("the record expires in {} s; a {} record may live {} s",
                                                      (wire.expiry - now) / 1000, kind_name(wire.kind),
                                                      max_life(wire.kind).count() / 1000)};
  return std::nullopt;
}

}  // namespace

RecordChecker::Checked<Record> RecordChecker::check_all(std::span<const std::uint8_t> encoded,
                                                        std::string_view expected_uri, base::UnixMs now) {
  auto refuse = [](Refusal why, std::string message) {
    return std::unexpected(Refused{why, std::move(message)});
  };
  if (encoded.size() > limits::kMaxRecord)
    return refuse(Refusal::malformed, fmt::format("expected a record of at most {} bytes, found {}",
                                                  limits::kMaxRecord, encoded.size()));
  auto wire = read_wire(encoded);
  if (!wire)
    return refuse(Refusal::malformed,
                  fmt::format("expected a record of version {}, found {} bytes of something else", kVersion,
                              encoded.size()));
  if (auto doubt = doubt_about(*wire, expected_uri, domain_, now))
    return refuse(doubt->why, std::move(doubt->message));

  auto signer = credential(wire->credential, now);
  if (!signer) return std::unexpected(std::move(signer.error()));
  const identity::Credential& known = **signer;
  if (!known.covers_uri(wire->uri))
    return refuse(Refusal::not_covered, fmt::format("the credential of the signer, {}, does not cover {}",
                                                    known.key.peer_id().text(), wire->uri));
  if (!known.key.verify(signed_message(wire->before_signature), wire->signature))
    return refuse(
        Refusal::bad_signature,
        fmt::format("the record is not signed by the key of its credential, {}", known.key.peer_id().text()));
  if (auto ok = check_body(*wire, known, now); !ok)
    return refuse(Refusal::bad_body, std::move(ok.error().message));
  return Record{wire->kind,
                std::string(wire->uri),
                wire->sequence,
                wire->expiry,
                base::Bytes(wire->body.begin(), wire->body.end()),
                known,
                base::Bytes(encoded.begin(), encoded.end())};
}

RecordChecker::Checked<const identity::Credential*> RecordChecker::credential(
    std::span<const std::uint8_t> encoded, base::UnixMs now) {
  auto refuse = [](base::Error error) {
    return std::unexpected(Refused{Refusal::bad_credential, std::move(error.message)});
  };
  const identity::Sha256 hash = identity::sha256(encoded);
  const identity::Credential* known = nullptr;
  if (auto at = recent_.find(hash); at != recent_.end()) {
    known = &at->second;
  } else if (auto old = older_.find(hash); old != older_.end()) {
    known = remember(hash, std::move(older_.extract(old).mapped()));
  }
  if (known) {
    if (auto ok = identity::check_dates(*known, now); !ok) return refuse(std::move(ok.error()));
    return known;
  }
  auto decoded = identity::Credential::decode(encoded);
  if (!decoded) return refuse(std::move(decoded.error()));
  ++credentials_verified_;
  if (auto ok = identity::check_credential(*decoded, domain_, authority_, now); !ok)
    return refuse(std::move(ok.error()));
  return remember(hash, std::move(*decoded));
}

const identity::Credential* RecordChecker::remember(const identity::Sha256& hash,
                                                    identity::Credential credential) {
  if (recent_.size() >= limits::kMaxKnownCredentials / 2) {
    older_ = std::move(recent_);
    recent_.clear();
  }
  return &recent_.insert_or_assign(hash, std::move(credential)).first->second;
}

}  // namespace causeway::overlay
