// One phone in one dialogue, as far as its descriptions go: offers and answers (exchange.h) become those that
// the other side gets (descriptions.h), and what both have agreed upon is told to the bridge.
//
// Who answers what:
//   a request that offers waits until candidates have been gathered, so that whatever answers it can be
//   answered at once; so does one without an offer that begins a call
//   a new offer of the world with other ICE credentials is its restart: gathers anew, then goes on; so does a
//   new offer of the phone when there is no way to the world any more
//   a response cannot wait: what restarts in one is answered with the credentials that there are
//   of several answers to one offer (forking) the first has the media; a 2xx takes it away from a 1xx of
//   another fork, and nobody from a 2xx
//   an answer that cannot be carried (no audio, port 0) passes as it is
//
// Anchors (anchors.h) holds all calls, under its lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "anchor/bridge.h"
#include "anchor/descriptions.h"
#include "anchor/destinations.h"
#include "anchor/exchange.h"

namespace causeway::anchor {

// Of the phone and of who it talks with (RFC 3261 12).
struct Tags {
  std::string_view phone, world;
};
Tags tags_of(const sip::Message& message, proxy::Crossing crossing);

class Call {
 public:
  // `told`: where the phone is told to send its media. `session`: of o=. `fingerprint`: of the certificate
  // for DTLS. `destinations` outlive it.
  Call(std::string user, std::string id, net::Address told, std::uint64_t session, std::string fingerprint,
       std::shared_ptr<Bridge> bridge, const Destinations& destinations);

  struct Result {
    enum class Is : std::uint8_t {
      as_it_is,
      changed,
      waits,
      refused,  // it cannot be carried
      no_way,   // this machine has no way for media
    } is = Is::as_it_is;
    std::string text;  // changed: the body; refused, no_way: why
  };
  // A message of the dialogue. `waits`: once more when gathered() was called.
  Result take(const sip::Message& message, proxy::Crossing crossing);

  // Whether a message with this tag of the phone belongs to it.
  bool is_of(std::string_view user, std::string_view phone_tag) const;
  // Whether a BYE with these tags ends it: another fork may be given up alone.
  bool ends_with(const Tags& tags) const;

  // Which side makes the first offer controls ICE (RFC 8445 6.1.1).
  bool is_controlling() const { return controlling_; }
  // RTCP gets an address of its own, for who may not multiplex it (RFC 5761 5.1.3).
  bool wants_rtcp_port() const { return rtcp_port_; }
  // Nothing: there is no way for media; what had been gathered before stays in use.
  void gathered(std::optional<ua::LocalMedia> local);
  // Bridge::User::on_way
  void set_way(bool there) { has_way_ = there; }

  const std::string& user() const { return user_; }
  const std::string& id() const { return id_; }
  bool is_ready() const { return !restarting_ && (local_ || failed_); }
  bool is_established() const { return established_; }  // a 2xx has passed
  Bridge& bridge() { return *bridge_; }

 private:
  Result describe(const sip::Message& message, proxy::Crossing crossing, const Tags& tags,
                  std::string_view sdp);
  Result offer_of_phone(std::string_view sdp, bool may_wait);
  Result offer_of_world(std::string_view sdp, bool may_wait);
  // What an offer comes to before candidates for it are there; nothing: they are.
  std::optional<Result> gathering();
  void restart();
  Result answer_of_phone(std::string_view sdp, bool first);
  Result answer_of_world(const sip::Message& message, const Tags& tags, std::string_view sdp, bool first);
  void see_response(const sip::Message& response, const Tags& tags);
  void agree(const ua::RemoteMedia& world, bool fork);

  const std::string user_, id_;  // id: Call-ID
  const net::Address told_;
  std::shared_ptr<Bridge> bridge_;
  const Destinations& destinations_;
  std::string phone_tag_, world_tag_;  // world: of whom media comes from
  Exchange exchange_;
  std::optional<Said> phone_, world_;  // what was offered last
  Numbering to_phone_, to_world_;
  ua::LocalMedia able_;  // what can be answered, before anything is gathered
  std::optional<ua::LocalMedia> local_;
  std::optional<ua::IceCredentials> agreed_, following_;  // of the world: in use; that we gather for
  bool controlling_ = false, begun_ = false, has_agreed_ = false, established_ = false;
  bool rtcp_port_ = true;
  bool failed_ = false;      // nothing was ever gathered
  bool restarting_ = false;  // gathers anew
  bool restart_failed_ = false;
  bool has_way_ = true;   // as far as is known
  bool follows_ = false;  // a restart that has come in a response
};

// The session description that a message carries; empty if it carries none.
std::string_view sdp_of(const sip::Message& message);

}  // namespace causeway::anchor
