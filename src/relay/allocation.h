// An allocation (RFC 8656 3.1): what one client has at the relay: one relayed transport address of each
// family, the peers that may reach it there (permissions), and numbers for some of them (channels).
//
// Permissions and channels are few (limits.h), in plain lists that are searched from the front; what has
// expired does not count, and makes room for the next.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/timers.h"
#include "relay/io.h"
#include "relay/neighbour.h"
#include "relay/quota.h"
#include "stun/integrity.h"

namespace causeway::relay {

// Where what a client sends to an address goes (Server::judge).
enum class Way : std::uint8_t {
  out,      // there
  across,   // to the client who has been given that address by this relay, and nobody else
  to_site,  // not there, but at most to who is sought there and was heard from the client's own address
};

class Allocation {
 public:
  struct Channel {
    net::Address peer;
    std::uint16_t number = 0;
    Way way = Way::out;
    base::Instant until{};
  };
  struct Peer {
    net::Ip ip;
    Way way = Way::out;
  };

  struct Refused {
    stun::Family family;
    stun::Error error;
  };

  // `expired` is told when nobody has refreshed it in time, and may destroy it.
  Allocation(const Client& who, base::Timers& timers, std::function<void(const Client&)> expired)
      : client(who), expiry(timers, [this, expired = std::move(expired)] { expired(client); }) {}

  // ---- permissions (RFC 8656 9)

  // Nothing without a permission.
  std::optional<Way> way_to(const net::Ip& peer, base::Instant now) const {
    for (const Permission& p : permissions_)
      if (p.peer.ip == peer) return p.until > now ? std::optional(p.peer.way) : std::nullopt;
    return std::nullopt;
  }
  // How many of these peers' permissions would be new.
  bool has_room_for(const std::vector<Peer>& peers, base::Instant now) const;
  void permit(const Peer& peer, base::Instant now);

  // ---- channels (RFC 8656 12)

  const Channel* channel(std::uint16_t number, base::Instant now) const {
    for (const Channel& c : channels_)
      if (c.number == number) return c.until > now ? &c : nullptr;
    return nullptr;
  }
  const Channel* channel_of(const net::Address& peer, base::Instant now) const {
    for (const Channel& c : channels_)
      if (c.peer == peer && c.until > now) return &c;
    return nullptr;
  }
  // False if there is no room. The caller has made sure that neither is bound to another.
  bool bind(std::uint16_t number, const net::Address& peer, Way way, base::Instant now);

  Io::Port* port_of(bool v4) { return ports[v4 ? 0 : 1].id == kNoPort ? nullptr : &ports[v4 ? 0 : 1]; }

  Client client;
  std::string username;  // as it stands in USERNAME: later requests must have the same (RFC 8656 5)
  stun::PasswordAlgorithm algorithm = stun::PasswordAlgorithm::md5;
  stun::Key key;
  base::UnixMs credential_until = 0;
  Quota::Share share;
  std::array<Io::Port, 2> ports;                           // IPv4, IPv6
  std::array<char, stun::kTransactionSize> transaction{};  // of the Allocate, to know a retransmission
  std::string reservation;         // the token for the port above, if it was given one
  std::optional<Refused> refused;  // of two families that were asked for, the one it has not
  base::Instant until{};
  Neighbour neighbour;

  base::Timer expiry;

 private:
  struct Permission {
    Peer peer;
    base::Instant until{};
  };
  std::vector<Permission> permissions_;
  std::vector<Channel> channels_;
};

}  // namespace causeway::relay
