// What a simulated network consists of: its hosts, who is bound where, which ways are open, and the
// datagrams in the air. Streams are in sim_stream.h. Internal to SimNetwork.
#pragma once

#include <deque>
#include <set>
#include <unordered_map>

#include "net/sim_network.h"

namespace causeway::net::sim {

struct Host {
  Ip ip;
  SimHost identity;
  bool dead = false;
  bool sheltered = false;
  std::set<Address> sent_to;  // while sheltered
  std::set<Ip> inside;
  // Does what comes from there unasked get through?
  bool lets_in(const Ip& from) const { return !sheltered || inside.contains(from); }
  std::chrono::microseconds waited{};
  std::uint16_t last_port = 49151;  // ephemeral ports follow (RFC 6335 6)
};

class UdpEnd;
class ListenEnd;
class Connection;
using World = SimNetwork::World;

// A timer that tells its owner.
template <class Owner>
struct Alarm : base::TimerNode {
  Alarm(Owner& o, Fire fire) : TimerNode(fire), owner(o) {}
  Owner& owner;
};

// A datagram in the air, or (without bytes, `unreachable`) the news that one found nobody.
struct Flight : base::TimerNode {
  explicit Flight(World& w);
  World& world;
  Address from;
  Address to;
  base::Buffer bytes;
  bool unreachable = false;
};

}  // namespace causeway::net::sim

namespace causeway::net {

class SimNetwork::World {
 public:
  World(base::Loop& l, base::Random& r);
  ~World();

  sim::Host& host(const Ip& ip);
  sim::Host* find_host(const Ip& ip);
  bool open_between(const Ip& a, const Ip& b);
  base::Duration draw_delay();
  bool draw_loss();
  // Where a program on `host` that asks for `wanted` is bound.
  base::Result<Address> bind(sim::Host& host, const Address& wanted, std::string_view transport);
  std::uint16_t free_port(sim::Host& host);

  void send_datagram(const Address& from, const Address& to, const base::Buffer& bytes);
  void arrive(sim::Flight& flight);

  base::Loop& loop;
  base::Random& random;
  base::Duration least_delay{10};
  base::Duration most_delay{10};
  double loss = 0;
  std::set<std::pair<Ip, Ip>> cuts;
  std::function<void(const SimPacket&)> tap;
  Totals totals;

  std::unordered_map<Address, sim::UdpEnd*> udp;
  std::unordered_map<Address, sim::ListenEnd*> listeners;
  std::unordered_map<sim::Connection*, std::unique_ptr<sim::Connection>> connections;

 private:
  void launch(const Address& from, const Address& to, base::Buffer bytes, bool unreachable);
  std::unordered_map<Ip, std::unique_ptr<sim::Host>> hosts_;
  std::deque<sim::Flight> flights_;  // a pool: never shrinks
  std::vector<sim::Flight*> landed_;
};

}  // namespace causeway::net

namespace causeway::net::sim {

class UdpEnd final : public UdpSocket {
 public:
  UdpEnd(World& world, const Address& local, UdpHandler& h) : handler(h), world_(world), local_(local) {
    world_.udp.emplace(local_, this);
  }
  ~UdpEnd() override { world_.udp.erase(local_); }
  const Address& local() const override { return local_; }
  void send(const Address& to, base::Buffer bytes) override { world_.send_datagram(local_, to, bytes); }

  UdpHandler& handler;

 private:
  World& world_;
  Address local_;
};

}  // namespace causeway::net::sim
