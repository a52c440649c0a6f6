#include "relay/server.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <cstring>

#include "base/log.h"
#include "stun/binding.h"
#include "stun/framing.h"

namespace causeway::relay {
namespace {

using stun::Attribute;
using stun::Class;
using stun::Error;
using stun::Method;

constexpr const char* kLog = "relay";
constexpr Error kErrors[] = {Error::try_alternate,
                             Error::bad_request,
                             Error::unauthenticated,
                             Error::forbidden,
                             Error::unknown_attribute,
                             Error::allocation_mismatch,
                             Error::stale_nonce,
                             Error::address_family_not_supported,
                             Error::wrong_credentials,
                             Error::unsupported_transport,
                             Error::peer_address_family_mismatch,
                             Error::allocation_quota_reached,
                             Error::insufficient_capacity};

base::Counter& dropped(base::Metrics& m, const char* reason) {
  return m.counter(fmt::format("relay_dropped_total{{reason=\"{}\"}}", reason),
                   "packets that went no further");
}
base::Counter& denied(base::Metrics& m, const char* reason) {
  return m.counter(fmt::format("relay_denied_peers_total{{reason=\"{}\"}}", reason),
                   "peers that the address policy has refused to a client");
}

base::Counter& refusal(base::Metrics& m, const char* reason) {
  return m.counter(fmt::format("relay_refused_credentials_total{{reason=\"{}\"}}", reason),
                   "requests whose user name or password was not accepted");
}

}  // namespace

ServerMetrics::ServerMetrics(base::Metrics& m)
    : allocations(m.counter("relay_allocations", "allocations at the moment")),
      made(m.counter("relay_allocations_total", "allocations made")),
      expired(m.counter("relay_allocations_expired_total", "allocations that nobody refreshed")),
      to_peers(m.counter("relay_packets_total{to=\"peer\"}", "packets relayed")),
      to_peer_bytes(m.counter("relay_bytes_total{to=\"peer\"}", "bytes of data relayed")),
      to_clients(m.counter("relay_packets_total{to=\"client\"}", "packets relayed")),
      to_client_bytes(m.counter("relay_bytes_total{to=\"client\"}", "bytes of data relayed")),
      bindings(m.counter("relay_bindings_total", "STUN Binding requests answered")),
      limited(dropped(m, "source_limit")),
      too_large(dropped(m, "answer_too_large")),
      data_too_large(dropped(m, "data_too_large")),
      malformed(dropped(m, "malformed")),
      not_turn(dropped(m, "not_turn")),
      no_allocation(dropped(m, "no_allocation")),
      no_permission(dropped(m, "no_permission")),
      no_channel(dropped(m, "no_channel")),
      to_sites(dropped(m, "site")),
      to_own(dropped(m, "own")),
      bad_indication(dropped(m, "bad_indication")),
      over_rate(dropped(m, "over_rate")),
      denied_special(denied(m, "special")),
      denied_wrapped(denied(m, "wrapped")),
      wrong_password(refusal(m, "wrong_password")),
      refused{&refusal(m, "unknown"), &refusal(m, "expired"), &refusal(m, "forged")} {
  for (const Error error : kErrors)
    errors.emplace_back(error,
                        &m.counter(fmt::format("relay_errors_total{{code=\"{}\"}}", static_cast<int>(error)),
                                   "error answers"));
}

void ServerMetrics::count_error(Error error) {
  for (auto& [code, counter] : errors)
    if (code == error) return ++*counter;
}

Server::Server(ServerConfig config, base::Loop& loop, base::Random& random, base::Metrics& metrics, Io& io,
               const net::AddressPolicy& policy, Credentials& credentials)
    : config_(std::move(config)),
      loop_(loop),
      random_(random),
      metrics_(metrics),
      io_(io),
      policy_(policy),
      credentials_(credentials),
      quota_(config_.quota),
      nonces_(random),
      answers_(random, config_.unauthenticated_per_second),
      proofs_(random, config_.unauthenticated_per_second),
      data_transaction_(random.u64()) {}

Server::~Server() {
  while (!allocations_.empty()) drop(*allocations_.begin()->second);
  for (Reservation& one : reservations_) io_.close(one.port.id);
}

// ---- packets from clients

Allocation* Server::find(const Client& client) {
  const auto at = allocations_.find({client.remote, client.listener});
  return at == allocations_.end() ? nullptr : at->second.get();
}

void Server::on_client(const Client& client, std::string_view bytes) {
  if (stun::is_channel_data(bytes)) return on_channel_data(client, bytes);
  const auto message = stun::Message::parse(bytes);
  if (message) return on_message(client, *message);
  ++(message.error() == stun::Malformed::not_stun ? metrics_.not_turn : metrics_.malformed);
}

void Server::on_message(const Client& client, const stun::Message& message) {
  if (message.kind() == Class::request) return on_request(client, message);
  if (message.kind() != Class::indication || message.method() != Method::send) {
    // A Binding indication keeps a NAT open (RFC 8489 2), and wants nothing else.
    if (message.kind() != Class::indication || message.method() != Method::binding) ++metrics_.not_turn;
    return;
  }
  Allocation* allocation = find(client);
  if (!allocation) return ++metrics_.no_allocation;
  on_send(*allocation, message);
}

void Server::on_channel_data(const Client& client, std::string_view bytes) {
  Allocation* allocation = find(client);
  if (!allocation) return ++metrics_.no_allocation;
  const auto channel_data = stun::parse_channel_data(bytes);
  if (!channel_data) return ++metrics_.malformed;
  const Allocation::Channel* channel = allocation->channel(channel_data->channel, loop_.now());
  if (!channel) return ++metrics_.no_channel;
  forward(*allocation, channel->way, channel->peer, channel_data->data, false);
}

// RFC 8656 11.2.
void Server::on_send(Allocation& allocation, const stun::Message& message) {
  const auto peer = message.xor_address(Attribute::xor_peer_address);
  const auto data = message.value(Attribute::data);
  if (!peer || !data || !message.unknown().empty()) return ++metrics_.bad_indication;
  const auto way = allocation.way_to(peer->ip, loop_.now());
  if (!way) return ++metrics_.no_permission;
  forward(allocation, *way, *peer, *data, message.has(Attribute::dont_fragment));
}

void Server::forward(Allocation& allocation, Way way, const net::Address& peer, std::string_view data,
                     bool dont_fragment) {
  switch (way) {
    case Way::out:
      return relay_to_peer(allocation, peer, data, dont_fragment);
    case Way::across:
      return hand_across(allocation, peer, data, dont_fragment);
    case Way::to_site:
      return send_to_site(allocation, peer, data);
  }
}

void Server::relay_to_peer(Allocation& allocation, const net::Address& peer, std::string_view data,
                           bool dont_fragment) {
  const Io::Port* port = allocation.port_of(peer.ip.is_v4());
  if (!port) return ++metrics_.no_permission;
  if (!allocation.share.take(data.size(), loop_.now())) return ++metrics_.over_rate;
  ++metrics_.to_peers;
  metrics_.to_peer_bytes.add(data.size());
  io_.to_peer(port->id, peer, data, dont_fragment);
}

// From one client of this relay to another, as if it had gone out and come back, but past all other sockets
// of this machine. These are reached only where the operator has named its address.
void Server::hand_across(Allocation& allocation, const net::Address& peer, std::string_view data,
                         bool dont_fragment) {
  const auto there = by_relayed_address_.find(peer);
  if (there == by_relayed_address_.end()) {
    if (policy_.allows(peer.ip)) return relay_to_peer(allocation, peer, data, dont_fragment);
    return refuse_check(allocation, peer, stun::Message::parse(data), metrics_.to_own);
  }
  const Io::Port* port = allocation.port_of(peer.ip.is_v4());
  const base::Instant now = loop_.now();
  if (!port || there->second->way_to(port->address.ip, now) != Way::across) return ++metrics_.no_permission;
  if (!allocation.share.take(data.size(), now)) return ++metrics_.over_rate;
  ++metrics_.to_peers;
  metrics_.to_peer_bytes.add(data.size());
  give(*there->second, port->address, data);
}

// What is sent to a private address is not for the network that the relay stands in. Media is meant for
// somebody behind the client's own NAT: baresip has found him there, but sends over its relay until it is
// told again where to.
void Server::send_to_site(Allocation& allocation, const net::Address& peer, std::string_view data) {
  const auto message = stun::Message::parse(data);
  const net::Address* neighbour = allocation.neighbour.address();
  if (!message && neighbour && allocation.way_to(neighbour->ip, loop_.now()) == Way::out)
    return relay_to_peer(allocation, *neighbour, data, false);
  if (const auto username = message ? message->value(Attribute::username) : std::nullopt)
    allocation.neighbour.seek(*username);
  refuse_check(allocation, peer, message, metrics_.to_sites);
}

// Nobody is there. A check of ICE is answered as by a stranger who has that address (RFC 8489 9.1.3), so that
// the client goes on to other pairs at once; baresip checks one at a time.
void Server::refuse_check(Allocation& allocation, const net::Address& peer, const Parsed& check,
                          base::Counter& dropped) {
  ++dropped;
  if (!check || check->kind() != Class::request || check->method() != Method::binding) return;
  stun::Writer answer(room_, Class::error, Method::binding, check->transaction());
  answer.error(Error::unauthenticated);
  answer.fingerprint();
  give(allocation, peer, answer.view());
}

// To the client, as from that peer: a copy of these bytes.
void Server::give(Allocation& allocation, const net::Address& peer, std::string_view data) {
  if (!allocation.share.take(data.size(), loop_.now())) return ++metrics_.over_rate;
  std::string room(Packet::kHeadroom + data.size() + Packet::kTailroom, '\0');
  std::ranges::copy(data, room.begin() + Packet::kHeadroom);
  const std::string_view bytes =
      framed(allocation, peer, {room.data() + Packet::kHeadroom, data.size()}, loop_.now());
  if (bytes.empty()) return ++metrics_.data_too_large;
  ++metrics_.to_clients;
  metrics_.to_client_bytes.add(data.size());
  io_.copy_to_client(allocation.client, bytes);
}

// ---- packets from peers (RFC 8656 11.3, 12.7)

void Server::on_peer(PortId port, const net::Address& peer, Packet packet) {
  Allocation* allocation = port < by_port_.size() ? by_port_[port] : nullptr;
  if (!allocation) return ++metrics_.no_allocation;
  const base::Instant now = loop_.now();
  const auto way = allocation->way_to(peer.ip, now);
  if (way != Way::out && !(way == Way::across && policy_.allows(peer.ip))) return ++metrics_.no_permission;
  if (!allocation->share.take(packet.size, now)) return ++metrics_.over_rate;
  const std::string_view data(packet.data, packet.size);
  if (stun::is_stun(data) && peer.ip == allocation->client.remote.ip) on_own_site(*allocation, peer, data);
  const std::string_view bytes = framed(*allocation, peer, packet, now);
  if (bytes.empty()) return ++metrics_.data_too_large;
  ++metrics_.to_clients;
  metrics_.to_client_bytes.add(packet.size);
  io_.to_client(allocation->client, bytes);
}

// STUN from somebody with the client's own public address.
void Server::on_own_site(Allocation& allocation, const net::Address& peer, std::string_view data) {
  const auto check = stun::Message::parse(data);
  if (!check || check->kind() != Class::request) return;
  if (const auto username = check->value(Attribute::username)) allocation.neighbour.hear(*username, peer);
}

std::array<char, stun::kTransactionSize> Server::next_transaction() {
  std::array<char, stun::kTransactionSize> transaction{};
  const std::uint64_t number = ++data_transaction_;
  std::memcpy(transaction.data(), &number, sizeof number);
  return transaction;
}

// What came from `peer`, as the client gets it: in place, with what is written around it. Empty if it is too
// long for an indication.
std::string_view Server::framed(const Allocation& allocation, const net::Address& peer, Packet packet,
                                base::Instant now) {
  if (const Allocation::Channel* channel = allocation.channel_of(peer, now)) {
    std::memset(packet.data + packet.size, 0, 3);  // padding
    char* start = packet.data - stun::kChannelHeader;
    stun::write_channel_header(start, channel->number, packet.size);
    const std::size_t size = stun::kChannelHeader + packet.size;
    return {start, allocation.client.stream ? stun::padded(size) : size};
  }
  // DATA comes first, as in coturn's indications: baresip takes what is in front of it for room to answer in.
  // With more room it answers over the relay also who reaches it by a way that it does not know, makes
  // nothing of that way itself, and the two settle on different ones.
  constexpr std::size_t kFront = stun::kHeaderSize + stun::kAttributeHeader;
  static_assert(kFront <= Packet::kHeadroom && 3 + stun::kAttributeHeader + 20 <= Packet::kTailroom);
  const auto transaction = next_transaction();
  stun::Writer out({packet.data - kFront, kFront + packet.size + Packet::kTailroom}, Class::indication,
                   Method::data, {transaction.data(), transaction.size()});
  out.in_place(Attribute::data, packet.size);
  out.xor_address(Attribute::xor_peer_address, peer);
  return out.view();
}

// RFC 8656 11.5: that something did not arrive, or was too large, and nothing else.
void Server::on_icmp(PortId port, const net::Address& peer, std::uint8_t type, std::uint8_t code,
                     std::uint32_t mtu) {
  const bool v4 = peer.ip.is_v4();
  const bool told = v4 ? type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED
                       : type >= ICMP6_DST_UNREACH && type <= ICMP6_TIME_EXCEEDED;
  const bool too_large =
      v4 ? type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED : type == ICMP6_PACKET_TOO_BIG;
  Allocation* allocation = port < by_port_.size() ? by_port_[port] : nullptr;
  if (!told || !allocation || !allocation->way_to(peer.ip, loop_.now())) return;
  const auto transaction = next_transaction();
  stun::Writer out(room_, Class::indication, Method::data, {transaction.data(), transaction.size()});
  out.xor_address(Attribute::xor_peer_address, peer);
  out.icmp(type, code, too_large ? mtu : 0);
  io_.answer(allocation->client, out.view());
}

// ---- the life of an allocation

void Server::on_stream_closed(const Client& client) {
  if (Allocation* allocation = find(client); allocation && allocation->client.connection == client.connection)
    drop(*allocation);
}

void Server::on_expired(Allocation& allocation) {
  ++metrics_.expired;
  base::log::debug(kLog, "allocation of {} for {} expired", allocation.share.user(),
                   allocation.client.remote.text());
  drop(allocation);
}

void Server::assign(const Io::Port& port, Allocation& allocation) {
  if (port.id >= by_port_.size()) by_port_.resize(port.id + 1);
  by_port_[port.id] = &allocation;
  by_relayed_address_[port.address] = &allocation;
}

void Server::drop_port(Io::Port& port) {
  if (port.id == kNoPort) return;
  by_port_[port.id] = nullptr;
  by_relayed_address_.erase(port.address);
  io_.close(std::exchange(port.id, kNoPort));
}

void Server::drop(Allocation& allocation) {
  for (Io::Port& port : allocation.ports) drop_port(port);
  allocations_.erase({allocation.client.remote, allocation.client.listener});
  metrics_.allocations.set(allocations_.size());
}

void Server::drop_old_reservations() {
  std::erase_if(reservations_, [this](Reservation& one) {
    if (one.until > loop_.now()) return false;
    io_.close(one.port.id);
    return true;
  });
}

// ---- STUN for everyone

void Server::on_binding(const Client& client, std::string_view bytes) {
  if (!may_answer(client)) return;
  const base::Buffer answer = stun::answer_binding(bytes, client.remote);
  ++metrics_.bindings;
  io_.answer(client, answer.view());
}

}  // namespace causeway::relay
