// A simulated network: hosts with addresses, delay, loss, partitions and deaths, on virtual time.
//
//   base::SimLoop loop;
//   base::Random random(1);
//   SimNetwork world(loop, random);
//   auto a = world.host(*Ip::parse("10.0.0.1"));
//   auto b = world.host(*Ip::parse("10.0.0.2"), {.member_name = "b.peers.example.org"});
//   ... open sockets on *a and *b, run the loop ...
//   world.kill(*Ip::parse("10.0.0.2"));
//
// Datagrams are delayed, lost and overtake each other as the settings say; one to a port where nobody
// listens comes back as unreachable, one to a host that is dead or never was vanishes. Streams are
// ordered and reliable: what a partition holds up arrives after it is healed, unless the sender gives
// up first (limits::kPeerSilence, or kMaxQueued bytes waiting). A connect takes a round trip, with TLS
// two; to a dead host it times out (limits::kConnectTimeout).
//
// TLS has no bytes here: a test gives each host the names that it can prove (SimHost), and the rules
// of the TlsContext kinds are applied to them. Contexts may be real ones or TlsContext::simulated().
//
// The same random seed gives the same run. Networks, sockets and streams must go before the world.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "net/network.h"

namespace causeway::net {

// What a host can prove of itself.
struct SimHost {
  std::string member_name;                // in the certificate of member contexts: "PEERID.peers.D"
  std::vector<std::string> member_uris;   // there, too
  std::vector<std::string> public_names;  // in the certificate of public server contexts
  std::vector<std::string> member_names() const;
};

// A datagram or a piece of a stream as it leaves its sender, before it is lost or delayed.
struct SimPacket {
  Address from;
  Address to;
  Transport transport;
  std::span<const char> bytes;  // plain text, also over TLS
};

class SimNetwork {
 public:
  SimNetwork(base::Loop& loop, base::Random& random);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // The network as seen from the host with this address. Asking again for the same address is a
  // second program on the same host.
  std::unique_ptr<Network> host(const Ip& ip, SimHost identity = {});

  // One way, drawn for each packet. At first 10 ms.
  void set_delay(base::Duration least, base::Duration most);
  // Of datagrams; a piece of a stream that is "lost" is late by a retransmission (200 ms).
  void set_loss(double probability);

  // Nothing passes between the two, in either direction, until healed.
  void cut(const Ip& a, const Ip& b);
  void heal(const Ip& a, const Ip& b);
  // The host falls silent in mid-sentence: nothing leaves it, nothing reaches it. Its programs do
  // not notice. `revive` plugs the cable in again.
  void kill(const Ip& ip);
  void revive(const Ip& ip);

  // As behind a NAT: no connection to the host gets through, and no datagram but from where it has sent one.
  void shelter(const Ip& ip);
  // ... but for `from`, which is behind the same NAT.
  void let_in(const Ip& ip, const Ip& from);

  // What Network::waited says on this host.
  void set_waited(const Ip& ip, std::chrono::microseconds waited);

  void on_packet(std::function<void(const SimPacket&)> tap);

  struct Totals {
    std::uint64_t datagrams = 0;  // sent
    std::uint64_t lost = 0;       // by set_loss
    std::uint64_t vanished = 0;   // sent to, or by, a dead, unknown or cut off host
    std::uint64_t connections = 0;
  };
  const Totals& totals() const;

  class World;  // sim_world.h

 private:
  std::unique_ptr<World> world_;
};

}  // namespace causeway::net
