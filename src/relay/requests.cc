// The requests of a client that has proved its credentials (RFC 8656 7 to 10, 12).
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "relay/server.h"
#include "stun/framing.h"

namespace causeway::relay {
namespace {

using stun::Attribute;
using stun::Class;
using stun::Error;
using stun::Family;
using stun::Method;

constexpr const char* kLog = "relay";
constexpr std::uint8_t kUdp = 17;  // RFC 8656 18.7: the IP protocol number

std::size_t index_of(Family family) { return family == Family::ipv4 ? 0 : 1; }

}  // namespace

void Server::on_request(const Client& client, const stun::Message& message) {
  if (message.method() == Method::binding) return on_binding(client, message.bytes());
  Request request{.client = client, .message = message, .allocation = find(client)};
  if (!authenticate(request)) return;
  if (!message.unknown().empty()) return fail(request, Error::unknown_attribute);
  if (message.method() == Method::allocate) return on_allocate(request);
  if (message.method() != Method::refresh && message.method() != Method::create_permission &&
      message.method() != Method::channel_bind)
    return fail(request, Error::bad_request);
  if (!request.allocation) return fail(request, Error::allocation_mismatch);
  if (request.username != request.allocation->username) return fail(request, Error::wrong_credentials);
  if (message.method() == Method::refresh) return on_refresh(request);
  if (message.method() == Method::create_permission) return on_create_permission(request);
  on_channel_bind(request);
}

// ---- Allocate (RFC 8656 7.2)

void Server::on_allocate(Request& request) {
  if (const Allocation* there = request.allocation) {
    const bool again = std::string_view(there->transaction.data(), there->transaction.size()) ==
                           request.message.transaction() &&
                       there->username == request.username;
    return again ? send_allocated(request, *there) : fail(request, Error::allocation_mismatch);
  }
  if (const auto error = check_allocate(request)) return fail(request, *error);
  drop_old_reservations();
  const bool reserved = request.message.has(Attribute::reservation_token);
  if (!reserved && (draining_ || quota_.full())) return send_elsewhere(request);

  auto made = std::make_unique<Allocation>(request.client, loop_.timers(), [this](const Client& client) {
    if (Allocation* gone = find(client)) on_expired(*gone);
  });
  Allocation& allocation = *made;
  const auto error = reserved ? take_reservation(request, allocation) : give_ports(request, allocation);
  if (error) return fail(request, *error);
  allocation.username = request.username;
  allocation.algorithm = request.algorithm;
  allocation.key = request.key;
  allocation.credential_until = request.until;
  std::ranges::copy(request.message.transaction(), allocation.transaction.begin());
  for (const Io::Port& port : allocation.ports)
    if (port.id != kNoPort) assign(port, allocation);
  const base::Duration lifetime = lifetime_for(request);
  allocation.until = loop_.now() + lifetime;
  allocation.expiry.start(lifetime);
  allocations_.emplace(FiveTuple{request.client.remote, request.client.listener}, std::move(made));
  ++metrics_.made;
  metrics_.allocations.set(allocations_.size());
  base::log::debug(kLog, "allocation for {} at {}", allocation.share.user(), request.client.remote.text());
  send_allocated(request, allocation);
}

std::optional<Error> Server::check_allocate(const Request& request) const {
  const stun::Message& m = request.message;
  const auto transport = m.octet(Attribute::requested_transport);
  if (!transport) return Error::bad_request;
  if (*transport != kUdp) return Error::unsupported_transport;
  const bool asked = m.has(Attribute::requested_address_family);
  const bool more = m.has(Attribute::additional_address_family);
  const bool even = m.has(Attribute::even_port);
  const auto reserve = m.octet(Attribute::even_port);
  if (even && !reserve) return Error::bad_request;
  if (asked && more) return Error::bad_request;
  if (m.has(Attribute::reservation_token)) {
    if (asked || more || even || m.value(Attribute::reservation_token)->size() != 8)
      return Error::bad_request;
    return std::nullopt;
  }
  if (more && (m.family(Attribute::additional_address_family) != Family::ipv6 || (even && (*reserve & 0x80))))
    return Error::bad_request;
  if (!asked) return std::nullopt;
  const auto octet = m.octet(Attribute::requested_address_family);
  if (!octet) return Error::bad_request;
  const auto family = m.family(Attribute::requested_address_family);
  if (!family || !io_.has_family(*family)) return Error::address_family_not_supported;
  return std::nullopt;
}

// Opens what was asked for. The ports go with the allocation.
std::optional<Error> Server::give_ports(const Request& request, Allocation& allocation) {
  const stun::Message& m = request.message;
  allocation.share = quota_.take(request.user);
  if (!allocation.share) return Error::allocation_quota_reached;
  Io::Wish wish = Io::Wish::any;
  if (const auto even = m.octet(Attribute::even_port))
    wish = *even & 0x80 ? Io::Wish::even_and_next : Io::Wish::even;
  Quota::Share next_share;
  if (wish == Io::Wish::even_and_next) {
    if (reservations_.size() >= limits::kMaxReservations) return Error::insufficient_capacity;
    next_share = quota_.take(request.user);
    if (!next_share) return Error::allocation_quota_reached;
  }
  const Family first = m.family(Attribute::requested_address_family).value_or(Family::ipv4);
  const auto opened = open_port(first, wish);
  if (opened) allocation.ports[index_of(first)] = opened->port;
  if (opened && wish == Io::Wish::even_and_next) {
    Reservation& made = reservations_.emplace_back();
    made.token.resize(8);
    random_.fill({reinterpret_cast<std::uint8_t*>(made.token.data()), made.token.size()});
    made.port = opened->next;
    made.share = std::move(next_share);
    made.until = loop_.now() + limits::kReservationLife;
    allocation.reservation = made.token;
  }
  if (!m.has(Attribute::additional_address_family))
    return opened ? std::nullopt : std::optional(opened.error());
  const auto second = open_port(Family::ipv6, Io::Wish::any);
  if (second) allocation.ports[index_of(Family::ipv6)] = second->port;
  if (!opened && !second) return opened.error();
  // RFC 8656 7.2: if only one of the two can be had, the client gets that one.
  if (!opened) allocation.refused = {Family::ipv4, opened.error()};
  if (!second) allocation.refused = {Family::ipv6, second.error()};
  return std::nullopt;
}

std::expected<Io::Opened, Error> Server::open_port(Family family, Io::Wish wish) {
  if (!io_.has_family(family)) return std::unexpected(Error::address_family_not_supported);
  const auto opened = io_.open(family, wish);
  if (!opened) return std::unexpected(Error::insufficient_capacity);
  return *opened;
}

std::optional<Error> Server::take_reservation(const Request& request, Allocation& allocation) {
  const auto at = std::ranges::find_if(reservations_, [&](const Reservation& one) {
    return one.token == *request.message.value(Attribute::reservation_token) &&
           one.share.user() == request.user;
  });
  if (at == reservations_.end()) return Error::insufficient_capacity;
  allocation.share = std::move(at->share);
  allocation.ports[at->port.address.ip.is_v4() ? 0 : 1] = at->port;
  reservations_.erase(at);
  return std::nullopt;
}

base::Duration Server::lifetime_for(const Request& request) const {
  using std::chrono::seconds;
  const auto asked = request.message.number(Attribute::lifetime);
  base::Duration lifetime = limits::kDefaultLifetime;
  if (asked) lifetime = std::max<base::Duration>(seconds(*asked), limits::kDefaultLifetime);
  return std::min(lifetime, config_.max_lifetime);
}

void Server::send_allocated(const Request& request, const Allocation& allocation) {
  stun::Writer out = begin(request, Class::success);
  for (const Io::Port& port : allocation.ports)
    if (port.id != kNoPort) out.xor_address(Attribute::xor_relayed_address, port.address);
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(allocation.until - loop_.now());
  out.number(Attribute::lifetime, static_cast<std::uint32_t>(left.count()));
  if (!allocation.reservation.empty()) out.text(Attribute::reservation_token, allocation.reservation);
  if (const auto& refused = allocation.refused) out.address_error(refused->family, refused->error);
  out.xor_address(Attribute::xor_mapped_address, request.client.remote);
  finish(request, out);
}

// ---- Refresh (RFC 8656 8.2)

void Server::on_refresh(Request& request) {
  const stun::Message& m = request.message;
  Allocation& allocation = *request.allocation;
  const auto family = m.family(Attribute::requested_address_family);
  if (m.has(Attribute::requested_address_family)) {
    if (!family) return fail(request, Error::bad_request);
    if (allocation.ports[index_of(*family)].id == kNoPort)
      return fail(request, Error::peer_address_family_mismatch);
  }
  if (m.has(Attribute::lifetime) && !m.number(Attribute::lifetime)) return fail(request, Error::bad_request);
  if (m.number(Attribute::lifetime) == 0u) {
    const bool both = allocation.ports[0].id != kNoPort && allocation.ports[1].id != kNoPort;
    if (family && both)
      drop_port(allocation.ports[index_of(*family)]);
    else
      drop(allocation);
    stun::Writer out = begin(request, Class::success);
    out.number(Attribute::lifetime, 0);
    return finish(request, out);
  }
  const base::Duration lifetime = lifetime_for(request);
  allocation.until = loop_.now() + lifetime;
  allocation.expiry.start(lifetime);
  stun::Writer out = begin(request, Class::success);
  out.number(Attribute::lifetime,
             static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(lifetime).count()));
  finish(request, out);
}

// ---- peers

// This machine's own addresses lead to its other clients: hand_across(). Those of sites are granted,
// and lead at most to the client's own: send_to_site(). For who is behind a NAT offers his own beside others
// (RFC 8445 5.1.1.1), and there are clients, baresip among them, that give up the whole relay when one of the
// peers that they name is refused.
std::expected<Way, Error> Server::judge(Allocation& allocation, const net::Address& peer) {
  using Verdict = net::AddressPolicy::Verdict;
  if (!allocation.port_of(peer.ip.is_v4())) return std::unexpected(Error::peer_address_family_mismatch);
  switch (policy_.judge(peer.ip)) {
    case Verdict::allowed:
      return policy_.is_own(peer.ip) ? Way::across : Way::out;
    case Verdict::own:
      return Way::across;
    case Verdict::site:
      return Way::to_site;
    case Verdict::special:
      ++metrics_.denied_special;
      break;
    case Verdict::wrapped:
      ++metrics_.denied_wrapped;
      break;
  }
  return std::unexpected(Error::forbidden);
}

// RFC 8656 10.2: all of them or none.
void Server::on_create_permission(Request& request) {
  std::vector<Allocation::Peer> peers;  // at most limits::kMaxAttributes
  std::optional<Error> error;
  const bool well_formed = request.message.peers([&](const net::Address& peer) {
    const auto way = judge(*request.allocation, peer);
    if (!way) error = way.error();
    if (way) peers.push_back({peer.ip, *way});
    return way.has_value();
  });
  if (error) return fail(request, *error);
  if (!well_formed || peers.empty()) return fail(request, Error::bad_request);
  const base::Instant now = loop_.now();
  if (!request.allocation->has_room_for(peers, now)) return fail(request, Error::insufficient_capacity);
  for (const Allocation::Peer& peer : peers) request.allocation->permit(peer, now);
  succeed(request);
}

// RFC 8656 12.2.
void Server::on_channel_bind(Request& request) {
  Allocation& allocation = *request.allocation;
  const auto number = request.message.channel();
  const auto peer = request.message.xor_address(Attribute::xor_peer_address);
  if (!number || !peer || !stun::is_channel(*number)) return fail(request, Error::bad_request);
  const auto way = judge(allocation, *peer);
  if (!way) return fail(request, way.error());
  const base::Instant now = loop_.now();
  const Allocation::Channel* same_number = allocation.channel(*number, now);
  const Allocation::Channel* same_peer = allocation.channel_of(*peer, now);
  if ((same_number && same_number->peer != *peer) || (same_peer && same_peer->number != *number))
    return fail(request, Error::bad_request);
  if (!allocation.has_room_for({{peer->ip, *way}}, now) || !allocation.bind(*number, *peer, *way, now))
    return fail(request, Error::insufficient_capacity);
  allocation.permit({peer->ip, *way}, now);
  succeed(request);
}

// ---- answers

stun::Writer Server::begin(const Request& request, Class kind) {
  return {room_, kind, request.message.method(), request.message.transaction()};
}

void Server::finish(const Request& request, stun::Writer& out) {
  out.integrity(request.integrity, request.key);
  if (request.message.has(Attribute::fingerprint)) out.fingerprint();
  io_.answer(request.client, out.view());
}

void Server::succeed(const Request& request) {
  stun::Writer out = begin(request, Class::success);
  finish(request, out);
}

void Server::fail(const Request& request, Error error) {
  metrics_.count_error(error);
  stun::Writer out = begin(request, Class::error);
  out.error(error);
  if (error == Error::unknown_attribute) out.unknown_attributes(request.message.unknown());
  finish(request, out);
}

// RFC 8489 10.
void Server::send_elsewhere(const Request& request) {
  const auto other = alternate_ ? alternate_(request.client) : std::nullopt;
  if (!other) return fail(request, Error::insufficient_capacity);
  metrics_.count_error(Error::try_alternate);
  stun::Writer out = begin(request, Class::error);
  out.error(Error::try_alternate);
  out.address(Attribute::alternate_server, *other);
  finish(request, out);
}

}  // namespace causeway::relay
