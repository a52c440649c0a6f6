#include "net/sim_world.h"

#include <algorithm>

#include "net/descriptor.h"
#include "net/sim_stream.h"

namespace causeway::net {

// 65,535 less the IPv4 and UDP headers.
constexpr std::size_t kLongestDatagram = 65507;

sim::Flight::Flight(World& w)
    : TimerNode([](base::TimerNode& node) {
        auto& flight = static_cast<Flight&>(node);
        flight.world.arrive(flight);
      }),
      world(w) {}

SimNetwork::World::World(base::Loop& l, base::Random& r) : loop(l), random(r) {}
SimNetwork::World::~World() = default;

sim::Host& SimNetwork::World::host(const Ip& ip) {
  std::unique_ptr<sim::Host>& slot = hosts_[ip];
  if (!slot) slot = std::make_unique<sim::Host>(sim::Host{.ip = ip, .identity = {}});
  return *slot;
}

sim::Host* SimNetwork::World::find_host(const Ip& ip) {
  const auto found = hosts_.find(ip);
  return found == hosts_.end() ? nullptr : found->second.get();
}

bool SimNetwork::World::open_between(const Ip& a, const Ip& b) {
  const sim::Host* from = find_host(a);
  const sim::Host* to = find_host(b);
  if (!from || !to || from->dead || to->dead) return false;
  return cuts.empty() || !cuts.contains(std::minmax(a, b));
}

base::Duration SimNetwork::World::draw_delay() {
  if (least_delay == most_delay) return least_delay;
  const auto span = static_cast<std::uint64_t>((most_delay - least_delay).count()) + 1;
  return least_delay + base::Duration(random.below(span));
}

bool SimNetwork::World::draw_loss() {
  constexpr std::uint64_t kWhole = 1u << 30;
  return loss > 0 && random.below(kWhole) < static_cast<std::uint64_t>(loss * kWhole);
}

base::Result<Address> SimNetwork::World::bind(sim::Host& host, const Address& wanted,
                                              std::string_view transport) {
  Address local = wanted;
  if (local.ip.is_unspecified() && local.ip.is_v4() == host.ip.is_v4()) local.ip = host.ip;
  if (local.ip != host.ip)
    return std::unexpected(base::Error{explain_bind_error(transport, wanted, EADDRNOTAVAIL)});
  if (local.port == 0) local.port = free_port(host);
  const bool taken = transport == "udp" ? udp.contains(local) : listeners.contains(local);
  if (taken) return std::unexpected(base::Error{explain_bind_error(transport, wanted, EADDRINUSE)});
  return local;
}

std::uint16_t SimNetwork::World::free_port(sim::Host& host) {
  do {
    host.last_port = host.last_port == 65535 ? 49152 : static_cast<std::uint16_t>(host.last_port + 1);
  } while (udp.contains({host.ip, host.last_port}) || listeners.contains({host.ip, host.last_port}));
  return host.last_port;
}

void SimNetwork::World::send_datagram(const Address& from, const Address& to, const base::Buffer& bytes) {
  ++totals.datagrams;
  if (tap) tap({from, to, Transport::udp, {bytes.data(), bytes.size()}});
  if (bytes.size() > kLongestDatagram || !open_between(from.ip, to.ip)) {
    ++totals.vanished;
    return;
  }
  if (sim::Host& sender = host(from.ip); sender.sheltered) sender.sent_to.insert(to);
  if (draw_loss()) {
    ++totals.lost;
    return;
  }
  // A copy: the sender may use its buffer again, and the receiver may write into what it gets.
  launch(from, to, base::Buffer::copy_of(bytes.view()), false);
}

void SimNetwork::World::launch(const Address& from, const Address& to, base::Buffer bytes, bool unreachable) {
  if (landed_.empty()) landed_.push_back(&flights_.emplace_back(*this));
  sim::Flight& flight = *landed_.back();
  landed_.pop_back();
  flight.from = from;
  flight.to = to;
  flight.bytes = std::move(bytes);
  flight.unreachable = unreachable;
  loop.timers().start(flight, draw_delay());
}

void SimNetwork::World::arrive(sim::Flight& flight) {
  const Address from = flight.from;
  const Address to = flight.to;
  const bool unreachable = flight.unreachable;
  base::Buffer bytes = std::move(flight.bytes);
  landed_.push_back(&flight);
  const sim::Host& receiver = host(to.ip);
  if (!open_between(from.ip, to.ip) || (!receiver.lets_in(from.ip) && !receiver.sent_to.contains(from))) {
    if (!unreachable) ++totals.vanished;
    return;
  }
  const auto found = udp.find(to);
  if (unreachable) {
    if (found != udp.end()) found->second->handler.on_unreachable(from);
  } else if (found == udp.end()) {
    launch(to, from, {}, true);
  } else {
    Datagram datagram{from, {bytes.data(), bytes.size()}};
    found->second->handler.on_datagrams({&datagram, 1});
  }
}

}  // namespace causeway::net
