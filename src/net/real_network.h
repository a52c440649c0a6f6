// The network of the kernel. See network.h for how it behaves, limits.h for its bounds.
//
// Belongs to the loop's thread; its sockets, streams and listeners must go before it, and it before
// the loop. Making one sets the process to ignore SIGPIPE: a write to a connection that the other
// side has reset must be an error of that connection (OpenSSL's writes cannot say MSG_NOSIGNAL).
#pragma once

#include <memory>

#include "base/loop.h"
#include "base/metrics.h"
#include "net/network.h"
#include "net/port_sharing.h"

namespace causeway::net {

std::unique_ptr<Network> make_real_network(base::Loop& loop, base::Metrics& metrics,
                                           const MostConnections& most = {},
                                           PortSharing sharing = PortSharing::none);

}  // namespace causeway::net
