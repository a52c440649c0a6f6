// A TURN server (RFC 8656) without sockets: packets go in, Io says where packets go out.
//
// One walk through the normal case. A client's Allocate without credentials is answered 401 with a nonce that
// the server does not remember (nonces.h), and comes again, with a user name that proves itself
// (credentials.h). The server takes a share of the user's quota, asks Io for a port, and keeps an Allocation
// under the client's 5-tuple. The client names its peers: CreatePermission, or ChannelBind, judged by the one
// policy (net/address_policy.h). From then on packets pass: ChannelData and Send indications out of the
// client's packet to the peer, peers' packets with what belongs around them to the client, copied nowhere
// (but for what one client of this relay sends to another).
//
// What it promises to the rest of the world: nobody without credentials gets more than twice the bytes he
// sent, nor more than limits allow for his address; nothing leaves for an address that the policy denies; no
// table grows by what strangers send.
//
// One thread.
#pragma once

#include <array>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "net/address_policy.h"
#include "relay/allocation.h"
#include "relay/credentials.h"
#include "relay/io.h"
#include "relay/nonces.h"
#include "relay/quota.h"
#include "relay/source_limit.h"
#include "stun/message.h"
#include "stun/writer.h"

namespace causeway::relay {

struct ServerConfig {
  std::string realm;
  QuotaLimits quota;
  base::Duration max_lifetime = std::chrono::hours(1);
  // What one source address gets in a second: answers without credentials, and user names checked.
  std::int64_t unauthenticated_per_second = 200;
};

struct ServerMetrics {
  explicit ServerMetrics(base::Metrics& metrics);
  void count_error(stun::Error error);
  base::Counter &allocations, &made, &expired, &to_peers, &to_peer_bytes, &to_clients, &to_client_bytes,
      &bindings;
  base::Counter &limited, &too_large, &data_too_large, &malformed, &not_turn, &no_allocation, &no_permission,
      &no_channel, &to_sites, &to_own, &bad_indication, &over_rate, &denied_special, &denied_wrapped,
      &wrong_password;
  std::array<base::Counter*, 3> refused;  // by Refusal
  std::vector<std::pair<stun::Error, base::Counter*>> errors;
};

class Server {
 public:
  // All but the config must outlive the server.
  Server(ServerConfig config, base::Loop& loop, base::Random& random, base::Metrics& metrics, Io& io,
         const net::AddressPolicy& policy, Credentials& credentials);
  ~Server();

  // A datagram, or one message of a stream (stun/framing.h).
  void on_client(const Client& client, std::string_view bytes);
  // What came to a relayed address. The packet has room around it (Packet).
  void on_peer(PortId port, const net::Address& peer, Packet packet);
  // ICMP about something sent to `peer` (RFC 8656 11.5); `mtu` if it says that it was too large.
  void on_icmp(PortId port, const net::Address& peer, std::uint8_t type, std::uint8_t code,
               std::uint32_t mtu);
  // The connection of a client has ended: its allocation too (RFC 8656 3.1).
  void on_stream_closed(const Client& client);

  // Draining: those who have an allocation keep it, others are sent elsewhere.
  void set_draining(bool draining) { draining_ = draining; }
  bool draining() const { return draining_; }
  // Where else, when full or draining: for the address family and transport of this client.
  void set_alternate(std::function<std::optional<net::Address>(const Client&)> alternate) {
    alternate_ = std::move(alternate);
  }

  bool has_allocation(const Client& client) { return find(client) != nullptr; }
  std::size_t allocations() const { return allocations_.size(); }
  std::int64_t ports_in_use() const { return quota_.used(); }
  std::size_t users() const { return quota_.users(); }

 private:
  struct FiveTuple {
    net::Address remote;
    std::uint16_t listener;
    bool operator==(const FiveTuple&) const = default;
  };
  struct Hash {
    std::size_t operator()(const FiveTuple& t) const noexcept {
      return std::hash<net::Address>{}(t.remote) ^ (std::size_t{t.listener} << 32);
    }
  };
  struct Reservation {
    std::string token;
    Io::Port port;
    Quota::Share share;
    base::Instant until;
  };
  // A request that has proved its credentials.
  struct Request {
    const Client& client;
    const stun::Message& message;
    Allocation* allocation;
    std::string_view username{};
    std::string user{};  // not set on an Allocation's own requests
    stun::Attribute integrity = stun::Attribute::message_integrity;
    stun::PasswordAlgorithm algorithm = stun::PasswordAlgorithm::md5;
    stun::Key key{};
    base::UnixMs until = 0;
  };
  Allocation* find(const Client& client);
  void on_message(const Client& client, const stun::Message& message);
  void on_request(const Client& client, const stun::Message& message);
  bool authenticate(Request& request);
  bool prove(Request& request);

  void on_binding(const Client& client, std::string_view bytes);
  void on_allocate(Request& request);
  std::optional<stun::Error> check_allocate(const Request& request) const;
  std::optional<stun::Error> give_ports(const Request& request, Allocation& allocation);
  std::expected<Io::Opened, stun::Error> open_port(stun::Family family, Io::Wish wish);
  std::optional<stun::Error> take_reservation(const Request& request, Allocation& allocation);
  void on_refresh(Request& request);
  void on_create_permission(Request& request);
  void on_channel_bind(Request& request);
  std::expected<Way, stun::Error> judge(Allocation& allocation, const net::Address& peer);
  void on_send(Allocation& allocation, const stun::Message& message);
  void on_channel_data(const Client& client, std::string_view bytes);
  void forward(Allocation& allocation, Way way, const net::Address& peer, std::string_view data,
               bool dont_fragment);
  void relay_to_peer(Allocation& allocation, const net::Address& peer, std::string_view data,
                     bool dont_fragment);
  void hand_across(Allocation& allocation, const net::Address& peer, std::string_view data,
                   bool dont_fragment);
  void send_to_site(Allocation& allocation, const net::Address& peer, std::string_view data);
  using Parsed = std::expected<stun::Message, stun::Malformed>;
  void refuse_check(Allocation& allocation, const net::Address& peer, const Parsed& check,
                    base::Counter& dropped);
  void give(Allocation& allocation, const net::Address& peer, std::string_view data);
  void on_own_site(Allocation& allocation, const net::Address& peer, std::string_view data);
  // Of a Data indication: nobody answers it.
  std::array<char, stun::kTransactionSize> next_transaction();
  std::string_view framed(const Allocation& allocation, const net::Address& peer, Packet packet,
                          base::Instant now);

  base::Duration lifetime_for(const Request& request) const;
  void drop(Allocation& allocation);
  void drop_port(Io::Port& port);
  void assign(const Io::Port& port, Allocation& allocation);
  void drop_old_reservations();
  void on_expired(Allocation& allocation);

  bool challenge(const Request& request, stun::Error error);
  bool may_answer(const Client& client);
  stun::Writer begin(const Request& request, stun::Class kind);
  void finish(const Request& request, stun::Writer& out);
  void fail(const Request& request, stun::Error error);
  void send_elsewhere(const Request& request);
  void succeed(const Request& request);
  void send_allocated(const Request& request, const Allocation& allocation);

  ServerConfig config_;
  base::Loop& loop_;
  base::Random& random_;
  ServerMetrics metrics_;
  Io& io_;
  const net::AddressPolicy& policy_;
  Credentials& credentials_;
  Quota quota_;
  Nonces nonces_;
  SourceLimit answers_, proofs_;
  std::function<std::optional<net::Address>(const Client&)> alternate_;
  bool draining_ = false;
  std::unordered_map<FiveTuple, std::unique_ptr<Allocation>, Hash> allocations_;
  std::vector<Allocation*> by_port_;
  std::unordered_map<net::Address, Allocation*> by_relayed_address_;
  std::vector<Reservation> reservations_;
  std::uint64_t data_transaction_;
  char room_[1500];
};

}  // namespace causeway::relay
