// A flow (RFC 5626): the way on which a message came, and on which an answer goes back. A plain
// value, small enough to copy everywhere.
//
// For UDP it is a local socket and a remote address. For a stream it is one connection, named by a
// number that is never used again, so that a flow kept in a binding can be found dead but never
// mistaken for another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"

namespace causeway::sip {

struct Flow {
  net::Transport transport = net::Transport::udp;
  bool member = false;       // a peer link: the other end has proved a PEERID of this domain
  std::uint16_t socket = 0;  // which of our UDP sockets
  net::Address remote;
  std::uint64_t connection = 0;  // which stream; 0 for UDP
  auto operator<=>(const Flow&) const = default;
};

// The upper bits of a stream's number name the worker whose loop it belongs to; the rest is the time at which
// that worker started, and a count.
inline constexpr int kWorkerShift = 58;
inline unsigned worker_of(const Flow& stream) {
  return static_cast<unsigned>(stream.connection >> kWorkerShift);
}

// Where a request is to be sent: what RFC 3263, a record or a binding has given.
struct Target {
  net::Endpoint endpoint;
  // TLS: the name that the other side's certificate must carry. For a member: PEERID.peers.D, and
  // `member` is set; then `endpoint` is its peer link.
  std::string tls_name;
  bool member = false;
};

}  // namespace causeway::sip
