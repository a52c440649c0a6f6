// Ways to relays over TCP and TLS. libnice speaks TURN over TCP, in the clear, and does not say when the
// connection ends: so for each such relay there is a port on this machine's loopback, whose connections are
// carried on to the relay, by TLS where that is asked for.
//
// One for all calls of a process, with a thread of its own. Who else on this machine finds such a port
// reaches the relay by it, as he could without it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/address.h"
#include "net/tls.h"

namespace causeway::ua {

class RelayTunnels {
 public:
  // `tls`: for relays over TLS; null: there are none.
  explicit RelayTunnels(std::unique_ptr<net::TlsContext> tls);
  // Closes all connections.
  ~RelayTunnels();

  // Any thread. Where the relay is reached from now on; the same for the same relay. `name`: what its
  // certificate must bear, or empty (net::TlsClient).
  base::Result<net::Address> open(const net::Endpoint& relay, const std::string& name);
  // Any thread. How many connections through such a port did not come about, or were ended by the relay.
  std::uint64_t lost(const net::Address& opened) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::ua
