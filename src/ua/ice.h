// One side of one call's path for media: ICE (RFC 8445) on libnice, with consent (RFC 7675), and what is left
// of it where the other side knows no ICE. RTCP shares RTP's component; if `rtcp_port` is set there is a
// second one for it, which is used where the other side does not multiplex and has named candidates for it,
// or without ICE a port (offer_answer.h).
//
// The normal case, everything on the media thread:
//
//   gather()            host, server-reflexive and relayed candidates; then on_gathered, and describe()
//                       fills in what the offer or answer says of them
//   set_remote(theirs)  checks begin; media goes to nobody before a pair has answered and was nominated:
//                       on_connected(pair), then send() and on_packet
//   restart()           when consent is lost (on_failed) or a relay has died (on_relay_lost): gathers
//                       anew, without relays that are dead; the old path is used until the new one is there
//
// Without ICE (set_remote with no credentials) media goes by our relayed address, if there is one, to the
// address that the other side's SDP has named, because signalling agreed on it; to no other, and so many
// packets a second and no more (limits.h). Hostile candidates get connectivity checks, bounded in number and
// rate, and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "ua/media_thread.h"
#include "ua/offer_answer.h"
#include "ua/relay_server.h"

namespace causeway::ua {

class RelayTunnels;

struct IceConfig {
  std::vector<RelayServer> relays;       // the first limits::kMaxRelays are used
  std::optional<net::Address> stun;      // over UDP
  bool relay_only = false;               // only relayed candidates are told, and used
  std::vector<net::Ip> local_addresses;  // empty: those of all interfaces
  bool controlling = false;              // RFC 8445 6.1.1: the side that offers first
  bool rtcp_port = false;                // a second component, for RTCP of its own
  // For relays over TLS; over TCP their end is then noticed too. One for all calls.
  std::shared_ptr<RelayTunnels> tunnels;
};

class IceAgent {
 public:
  // On the media thread. The agent must not be destroyed from within; in on_packet nothing but send() may be
  // called.
  class Events {
   public:
    virtual ~Events() = default;
    // Every candidate is there that is going to be; also after restart(). media() tells them.
    virtual void on_gathered() = 0;
    // "relay 192.0.2.1:4000 <-> srflx 198.51.100.7:3000"; again when the path changes.
    virtual void on_connected(const std::string& pair) = 0;
    // No path, or consent was lost. The old path of a restart that fails stays in use while it lives.
    virtual void on_failed(const std::string& why) = 0;
    virtual void on_packet(std::span<const std::uint8_t> packet) = 0;
    // The relay that the path goes through no longer answers. restart() does without it.
    virtual void on_relay_lost(const RelayServer& relay) = 0;
  };

  struct Statistics {
    std::uint64_t sent = 0, received = 0;   // packets
    std::uint64_t refused_no_path = 0;      // to be sent before there was a path
    std::uint64_t refused_rate = 0;         // to be sent or received beyond the limits
    std::uint64_t candidates_left_out = 0;  // of the other side
  };

  // Made, used and destroyed on the media thread.
  IceAgent(MediaThread& thread, IceConfig config, Events& events);
  ~IceAgent();

  // At most limits::kGatherPatience; where only relays may be told, twice limits::kRelayPatience.
  void gather();
  // on_gathered has come, and nothing has been gathered anew since. Until then there is nothing to describe.
  bool is_gathered() const;
  // Fills in ice, credentials, candidates and defaults, of RTP and of RTCP, of what is said next.
  void describe(LocalMedia& media) const;
  // What the other side has said last, also while candidates are still being gathered. Other credentials than
  // before are its restart: if this side has not begun one, it follows with its own, and what it says is
  // ready when on_gathered comes again.
  void set_remote(const RemoteMedia& remote);
  // The same offer of ours was answered by another one, too (forking), and this one it is: checks begin anew,
  // with the credentials and candidates that have been told.
  void follow(const RemoteMedia& remote);
  // New credentials and candidates (RFC 8445 9). `relays`: instead of those that there were. Those that
  // have been lost are left out, unless there is no other.
  void restart();
  void restart(std::vector<RelayServer> relays);

  bool is_connected() const;
  std::string selected_pair() const;
  // False if it was not sent: no path, beyond the rate, no room in the socket.
  bool send(std::span<const std::uint8_t> packet);
  const Statistics& statistics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::ua
