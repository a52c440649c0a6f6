// The TURN server's world outside, for real: UDP listeners and relayed ports on the kernel's sockets, in
// batches (net/packet_batch.h); TCP and TLS clients on streams of a net::Network.
//
// A datagram's way, in either direction: received into a slot, judged and given a header there by the server,
// and handed to the kernel from there at the end of the round, with all others of the same socket.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "net/network.h"
#include "net/packet_batch.h"
#include "relay/io.h"

namespace causeway::relay {

class Server;

struct SocketsConfig {
  std::vector<net::Endpoint> listen;
  net::TlsContext* tls = nullptr;  // for tls: listeners
  // Where relayed ports are opened, and as what they are made known (behind a NAT that maps one to one): at
  // most one address of each family.
  struct Relayed {
    net::Ip local, known;
  };
  std::vector<Relayed> relayed;
  std::uint16_t first_port = 49152, last_port = 65535;  // RFC 8656 7.2
  base::Duration stream_idle = limits::kStreamIdle;
  net::PacketBatch::Options batch;
  net::PortSharing sharing =
      net::PortSharing::none;  // of the UDP listeners; the network has its own for streams
};

class Sockets final : public Io {
 public:
  Sockets(base::Loop& loop, net::Network& network, base::Random& random, base::Metrics& metrics,
          SocketsConfig config);
  ~Sockets() override;

  // Opens the listeners; the server gets what comes from then on. For UDP a wildcard is a socket on each
  // address of this machine, since one for all would answer from another than it was asked at.
  base::Status open(Server& server);
  // This machine has other addresses: those that are new are listened on as well.
  void follow_addresses();
  std::vector<net::Endpoint> locals() const;
  net::Transport transport_of(const Client& client) const;
  // Before the server goes.
  void close_all();

  bool has_family(stun::Family family) const override { return relayed_of(family) != nullptr; }
  std::optional<Opened> open(stun::Family family, Wish wish) override;
  void close(PortId port) override;
  void answer(const Client& client, std::string_view bytes) override;
  void to_client(const Client& client, std::string_view bytes) override;
  void copy_to_client(const Client& client, std::string_view bytes) override;
  void to_peer(PortId port, const net::Address& peer, std::string_view bytes, bool dont_fragment) override;

 private:
  struct UdpListener {
    net::PacketSocket socket;
    net::Address local;
    std::unique_ptr<base::Loop::Watch> watch;
  };
  struct StreamListener {
    net::Endpoint local;
    std::unique_ptr<net::Listener> listener;
  };
  struct RelayPort {
    net::PacketSocket socket;
    std::unique_ptr<base::Loop::Watch> watch;
    std::uint16_t number = 0;
    bool v4 = true;
    std::uint16_t burst = 1;  // datagrams to ask for at once: as many as came the last time, or more
  };
  class Connection;

  const SocketsConfig::Relayed* relayed_of(stun::Family family) const;
  net::Descriptor bind_port(const SocketsConfig::Relayed& at, std::uint16_t port);
  std::optional<std::uint16_t> candidate(int attempt);
  std::vector<bool>::reference is_taken(bool v4, std::uint16_t port) {
    return taken_[v4 ? 0 : 1][port - config_.first_port];
  }
  void warn_of_no_port(int error);
  Port keep(net::Descriptor fd, const SocketsConfig::Relayed& at, std::uint16_t port);

  base::Status open_udp(const net::Address& configured);
  base::Status listen_on(const net::Address& local);
  base::Status open_stream(const net::Endpoint& local);
  void await(UdpListener& listener, std::uint16_t number);
  void await(PortId id);
  void read_listener(UdpListener& listener, std::uint16_t number);
  void read_port(PortId id);
  void read_errors(PortId id);
  void send_now(int fd, const net::Address& to, std::string_view bytes);
  void note_counts();
  void accept(std::uint16_t listener, std::unique_ptr<net::Stream> stream);
  void drop(std::uint64_t connection);
  void close_idle();

  base::Loop& loop_;
  net::Network& network_;
  base::Random& random_;
  SocketsConfig config_;
  Server* server_ = nullptr;
  base::Counter &received_, &sent_, &refused_, &receive_calls_, &send_calls_, &unreachable_, &connections_,
      &broken_, &idle_, &slow_;
  net::PacketBatch batch_;
  std::vector<std::unique_ptr<UdpListener>> udp_;
  std::vector<net::Address> udp_locals_;  // as configured, with the port that the kernel chose
  std::vector<StreamListener> streams_;
  std::vector<std::unique_ptr<RelayPort>> ports_;
  std::vector<PortId> free_ids_;
  std::array<std::vector<bool>, 2> taken_;  // ports of each family: the kernel is not asked for those
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> open_connections_;
  std::uint64_t last_connection_ = 0, sent_alone_ = 0, refused_alone_ = 0;
  base::Timer idle_timer_;
  base::Instant next_warning_{};
};

}  // namespace causeway::relay
