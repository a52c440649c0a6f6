#include "net/sim_stream.h"

#include <strings.h>

#include <algorithm>

#include "base/limits.h"
#include "net/tls.h"

namespace causeway::net::sim {
namespace {

// How long TCP takes to send again what was lost (RFC 6298's least is 1 s; Linux uses 200 ms).
constexpr base::Duration kRetransmission{200};

using Side = Connection::Side;
constexpr Side other(Side side) {
  return side == Connection::client ? Connection::server : Connection::client;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

// --- Connection ----------------------------------------------------------------------------------

Connection::Connection(World& world, const Address& from, const Address& to, const TlsClient& tls)
    : world_(world),
      addresses_{from, to},
      lanes_{{*this, [](base::TimerNode& n) { static_cast<Alarm<Connection>&>(n).owner.run(client); }},
             {*this, [](base::TimerNode& n) { static_cast<Alarm<Connection>&>(n).owner.run(server); }}},
      tls_(tls) {}

void Connection::request(StreamEnd& end) {
  end.attach(*this, client);
  // SYN; with TLS: SYN, SYN ACK, ClientHello.
  push(client, Segment::Kind::request, {}, tls_.context ? 2 : 0);
}

void Connection::send(Side from, base::Buffer bytes) {
  if (world_.tap)
    world_.tap({addresses_[from],
                addresses_[other(from)],
                tls_.context ? Transport::tls : Transport::tcp,
                {bytes.data(), bytes.size()}});
  push(from, Segment::Kind::bytes, std::move(bytes));
}

void Connection::leave(Side side, Segment::Kind farewell) {
  ends_[side] = nullptr;
  clear(other(side));
  if (will_hear(other(side)))
    push(side, farewell);
  else
    clear(side);
  erase_if_over();
}

// Whether that side knows of the connection, or will when the lane to it is read.
bool Connection::will_hear(Side side) const {
  if (confirmed_ || side == client) return ends_[side] != nullptr;
  return std::ranges::any_of(lanes_[client].segments,
                             [](const Segment& s) { return s.kind == Segment::Kind::confirm; });
}

void Connection::push(Side from, Segment::Kind kind, base::Buffer bytes, int extra_trips) {
  Lane& lane = lanes_[from];
  base::Duration delay = world_.draw_delay();
  for (; extra_trips > 0; --extra_trips) delay += world_.draw_delay();
  if (world_.draw_loss()) delay += kRetransmission;
  lane.last_due = std::max(lane.last_due, world_.loop.now() + delay);
  lane.queued += bytes.size();
  lane.segments.push_back({kind, lane.last_due, std::move(bytes)});
  if (!lane.alarm.pending()) world_.loop.timers().start(lane.alarm, lane.last_due - world_.loop.now());
}

// Delivers the first segment of the lane. One at a time: its receiver may end everything here.
void Connection::run(Side from) {
  Lane& lane = lanes_[from];
  if (lane.segments.empty() || still_blocked(from)) return;
  const StreamEnd* receiver = ends_[other(from)];
  if (lane.segments.front().kind >= Segment::Kind::bytes && receiver && !receiver->ready()) {
    world_.loop.timers().start(lane.alarm, base::Duration(1));
    return;
  }
  Segment segment = std::move(lane.segments.front());
  lane.segments.pop_front();
  lane.queued -= segment.bytes.size();
  if (!lane.segments.empty()) {
    const base::Duration left = lane.segments.front().due - world_.loop.now();
    world_.loop.timers().start(lane.alarm, std::max(left, base::Duration::zero()));
  }
  deliver(from, std::move(segment));
}

bool Connection::still_blocked(Side from) {
  Lane& lane = lanes_[from];
  const base::Instant now = world_.loop.now();
  if (world_.open_between(addresses_[client].ip, addresses_[server].ip)) {
    lane.blocked = false;
    return false;
  }
  if (!lane.blocked) lane.blocked_since = now;
  lane.blocked = true;
  if (now - lane.blocked_since < limits::kPeerSilence) {
    world_.loop.timers().start(lane.alarm, kRetransmission);
    return true;
  }
  clear(from);
  if (StreamEnd* sender = ends_[from])
    sender->end(CloseReason::timeout, "the other side acknowledges nothing");
  else
    erase_if_over();
  return true;
}

void Connection::deliver(Side from, Segment segment) {
  StreamEnd* receiver = ends_[other(from)];
  switch (segment.kind) {
    case Segment::Kind::request:
      return on_request();
    case Segment::Kind::confirm:
      return on_confirm();
    default:
      break;
  }
  if (!receiver) {
    erase_if_over();
    return;
  }
  switch (segment.kind) {
    case Segment::Kind::refused:
      return receiver->end(CloseReason::refused, "connection refused: nothing listens there");
    case Segment::Kind::tls_failed:
      return receiver->end(CloseReason::tls, std::string(segment.bytes.view()));
    case Segment::Kind::end:
      return receiver->end(CloseReason::remote, "the other side closed the connection");
    case Segment::Kind::reset:
      return receiver->end(CloseReason::reset, "the other side reset the connection");
    case Segment::Kind::bytes:
      return receiver->on_bytes(segment.bytes);
    default:
      break;
  }
  std::vector<std::string> names;  // Kind::accepted
  if (tls_.context && tls_.context->kind() == TlsContext::Kind::member)
    names = world_.host(addresses_[server].ip).identity.member_names();
  else if (tls_.context && tls_.context->verifies())
    names = world_.host(addresses_[server].ip).identity.public_names;
  push(client, Segment::Kind::confirm);
  receiver->on_open(std::move(names));
}

void Connection::on_request() {
  if (!world_.host(addresses_[server].ip).lets_in(addresses_[client].ip)) return erase_if_over();
  const auto found = world_.listeners.find(addresses_[server]);
  if (found == world_.listeners.end()) return push(server, Segment::Kind::refused);
  server_tls_ = found->second->tls;
  const std::string failure = check_tls(*found->second);
  if (failure.empty())
    push(server, Segment::Kind::accepted);
  else
    push(server, Segment::Kind::tls_failed, base::Buffer::copy_of(failure));
}

void Connection::on_confirm() {
  confirmed_ = true;
  const auto found = world_.listeners.find(addresses_[server]);
  if (found == world_.listeners.end()) return leave(server, Segment::Kind::reset);
  ++world_.totals.connections;
  auto end = std::make_unique<StreamEnd>(world_, addresses_[server], addresses_[client]);
  end->attach(*this, server);
  end->open_ = true;
  if (server_tls_ && server_tls_->kind() == TlsContext::Kind::member)
    end->names_ = world_.host(addresses_[client].ip).identity.member_names();
  found->second->on_accept(std::move(end));
}

// What the two would find out about each other in a TLS handshake; empty if both are content.
std::string Connection::check_tls(const ListenEnd& listener) {
  const TlsContext* asking = tls_.context;
  const TlsContext* asked = listener.tls;
  if (!asking && !asked) return {};
  if (!asking) return "it expects TLS, and this side began without";
  if (!asked) return "expected TLS, found something else; check the port and the transport";
  using enum TlsContext::Kind;
  const SimHost& here = world_.host(addresses_[client].ip).identity;
  const SimHost& there = world_.host(addresses_[server].ip).identity;
  if (asking->kind() == member && asked->kind() == member) {
    if (asking->alpn() != asked->alpn()) return "it does not speak the application protocol";
    if (here.member_name.empty()) return "it requires a certificate of this side";
    if (there.member_name.empty()) return "it showed no certificate, and one is required";
    if (tls_.name.empty() || same_name(tls_.name, there.member_name)) return {};
    return fmt::format("its certificate is for {}, expected '{}'", there.member_name, tls_.name);
  }
  if (asked->kind() == member) return "it requires a certificate of this side";
  if (asking->kind() == member) return "its certificate is not acceptable: not issued by the authority";
  if (!asking->verifies()) return {};
  if (std::ranges::any_of(there.public_names, [&](const std::string& n) { return same_name(n, tls_.name); }))
    return {};
  return fmt::format("its certificate is not for '{}'", tls_.name);
}

void Connection::clear(Side from) {
  Lane& lane = lanes_[from];
  lane.alarm.stop();
  lane.segments.clear();
  lane.queued = 0;
  lane.blocked = false;
}

void Connection::erase_if_over() {
  if (ends_[client] || ends_[server]) return;
  if (lanes_[client].segments.empty() && lanes_[server].segments.empty()) world_.connections.erase(this);
}

// --- StreamEnd -----------------------------------------------------------------------------------

StreamEnd::StreamEnd(World& world, const Address& local, const Address& remote)
    : world_(world),
      local_(local),
      remote_(remote),
      alarm_(*this, [](base::TimerNode& n) { static_cast<Alarm<StreamEnd>&>(n).owner.on_alarm(); }) {}

StreamEnd::~StreamEnd() {
  if (connection_) connection_->leave(side_, Segment::Kind::end);
}

void StreamEnd::attach(Connection& connection, Connection::Side side) {
  connection_ = &connection;
  side_ = side;
  connection.ends_[side] = this;
  if (side == Connection::client) world_.loop.timers().start(alarm_, limits::kConnectTimeout);
}

void StreamEnd::send(base::Buffer bytes) {
  if (!connection_ || overflow_ || bytes.size() == 0) return;
  if (open_) {
    connection_->send(side_, std::move(bytes));
  } else {
    waiting_bytes_ += bytes.size();
    waiting_.push_back(std::move(bytes));
  }
  if (queued() <= limits::kMaxQueued) return;
  overflow_ = true;
  world_.loop.timers().start(alarm_, base::Duration::zero());
}

std::size_t StreamEnd::queued() const {
  return waiting_bytes_ + (connection_ ? connection_->stalled(side_) : 0);
}

void StreamEnd::on_open(std::vector<std::string> names) {
  if (!overflow_) alarm_.stop();
  open_ = true;
  names_ = std::move(names);
  for (base::Buffer& bytes : waiting_) connection_->send(side_, std::move(bytes));
  waiting_.clear();
  waiting_bytes_ = 0;
  handler_->on_connected();
}

void StreamEnd::on_alarm() {
  if (overflow_)
    end(CloseReason::overflow, fmt::format("the other side does not read: {} bytes wait", queued()));
  else
    end(CloseReason::timeout, fmt::format("no answer within {} ms", limits::kConnectTimeout.count()));
}

void StreamEnd::end(CloseReason reason, std::string text) {
  alarm_.stop();
  open_ = false;
  waiting_.clear();
  waiting_bytes_ = 0;
  const bool told = reason == CloseReason::remote || reason == CloseReason::reset;
  Connection* const left = std::exchange(connection_, nullptr);
  left->leave(side_, told ? Segment::Kind::end : Segment::Kind::reset);
  if (handler_) handler_->on_closed({reason, std::move(text)});
}

}  // namespace causeway::net::sim
