// The relay of a peer (draft 3.2: relay agent peers): a TURN server on a thread of its own, so that media
// never waits for signalling.
//
// Made and asked on the peer's thread. What it says of itself is a copy that the relay's thread renews every
// second.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "identity/key.h"
#include "identity/relay_token.h"
#include "net/address_policy.h"
#include "net/tls.h"
#include "relay/server.h"
#include "relay/sockets.h"

namespace causeway::relay {

struct RelayConfig {
  ServerConfig server;
  SocketsConfig sockets;  // its tls is made from `tls`
  // How far apart turns of the relay's thread begin under load (epoll_loop.h). Not at all: it would bring
  // much for bursts, but costs a second wake where packets come one by one, and every packet waits
  // (docs/performance.md).
  std::chrono::microseconds pace{0};
  std::vector<net::Range> allowed;                     // peers beyond what the policy lets through
  std::string secret;                                  // of time-limited user names; empty: none are taken
  std::shared_ptr<const identity::Accounts> accounts;  // of phones; null: none
  std::optional<net::TlsContext::Identity> tls;
  // Relay tokens: who issues credentials, and the key that the token key follows from.
  std::string domain;
  identity::PublicKey authority;
  identity::PrivateKey key;
};

class Relay {
 public:
  struct Status {
    std::size_t allocations = 0, users = 0;
    std::int64_t ports_in_use = 0;  // reserved ones included; full at the quota's allocations
    bool draining = false;
    std::vector<std::pair<std::string, std::uint64_t>> counters;
  };

  static base::Result<std::unique_ptr<Relay>> start(RelayConfig config);
  // Closes everything, and ends the thread.
  ~Relay();

  std::vector<net::Endpoint> listening() const;
  identity::TokenKey token_key() const;
  Status status() const;
  // Draining: no new allocations.
  void set_draining(bool draining);
  // Endpoints of other relays: a client that this one has no room for is sent to one of them that it can
  // reach in the way in which it has reached this one, chosen by chance.
  // Accounts that were read anew.
  void set_accounts(std::shared_ptr<const identity::Accounts> accounts);
  void set_alternates(std::vector<net::Endpoint> others);

 private:
  class Impl;
  explicit Relay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::relay
