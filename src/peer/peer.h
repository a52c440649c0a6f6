// One peer: puts the roles together that its credential gives it, and takes them apart in good order.
//
// Starting is: the clock against the credential; the sockets; the overlay; the services (registrar,
// proxy); the other workers (worker.h); then the records that tell others where this peer is: its peer record
// always, its service record under sip:D if it is a proxy and under turn:D if it is a relay, all refreshed
// while it runs (Directory, RelayOffer, Presence).
//
// Stopping (stop) withdraws those records and the users' first, so that nobody waits for a peer that
// has left.
//
// What is wrong but may come right (no bootstrap peer, no DNS, a clock that is off) is logged with
// what to do, and the peer goes on trying; what cannot (a port in use, a broken bundle) is an error.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "identity/bundle.h"
#include "overlay/overlay.h"
#include "peer/config.h"
#include "peer/ground.h"
#include "peer/relay_tokens.h"

namespace causeway::peer {

class Peer {
 public:
  // The ground is the first worker's, and must outlive the peer; that of further ones (peer.workers) is real.
  static base::Result<std::unique_ptr<Peer>> start(const Config& config, identity::Bundle bundle,
                                                   Ground ground);
  ~Peer();

  // Withdraws the records, saves the known nodes. Call it before destruction when there is time for
  // a turn of the loop; without it the peer is simply gone, as in a crash.
  void stop();

  // One line of JSON for `causeway status`, when all workers have said what they do.
  void status(std::function<void(std::string)> done) const;
  // Everything under a URI, for `causeway lookup`; one line of JSON. Under turn:D also the relays that
  // answer.
  void lookup(std::string_view uri, std::function<void(std::string)> done) const;
  // Tokens for at most so many of the nearest relays, for `causeway relay-token`; one line of JSON.
  void relay_tokens(TokenRequest request, std::size_t most, std::function<void(std::string)> done) const;
  // The relay of this peer, if it has one, takes nobody new and is not offered, or does so again. One line of
  // JSON.
  std::string drain(bool on);

  // Accounts that were read anew (SIGHUP).
  void set_accounts(identity::Accounts accounts);

  // Where SIP is received, with the ports that the kernel chose.
  std::vector<net::Endpoint> sip_endpoints() const;
  overlay::Overlay& overlay();

 private:
  class Impl;
  explicit Peer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::peer
