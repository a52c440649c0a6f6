#include "relay/sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "net/address_policy.h"
#include "net/error_queue.h"
#include "relay/server.h"
#include "stun/framing.h"

namespace causeway::relay {
namespace {

// Listeners of streams are numbered from here in Client::listener.
constexpr std::uint16_t kFirstStream = 1u << 8;

// Whether the kernel may fragment what leaves by a relayed port (RFC 8656 15): it may, unless DONT-FRAGMENT
// asks.
void set_dont_fragment(int fd, bool v4, bool on) {
  if (v4)
    net::set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
  else
    net::set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
}

// What a UDP listener is bound to. A port of the kernel's choice is that of one socket.
std::vector<net::Address> places_of(const net::Address& configured) {
  static const net::Range kLinkLocal = *net::Range::parse("fe80::/10");  // would need an interface's number
  if (!configured.ip.is_unspecified() || configured.port == 0) return {configured};
  std::vector<net::Address> all;
  for (const net::Ip& ip : net::interface_addresses())
    if (ip.is_v4() == configured.ip.is_v4() && !kLinkLocal.contains(ip)) all.push_back({ip, configured.port});
  return all;
}

}  // namespace

// ---- a TCP or TLS client

class Sockets::Connection final : public net::StreamHandler {
 public:
  Connection(Sockets& sockets, const Client& client, std::unique_ptr<net::Stream> stream)
      : sockets_(sockets), client_(client), stream_(std::move(stream)), heard_(sockets.loop_.now()) {
    stream_->set_handler(*this);
  }

  void on_bytes(std::span<const char> bytes) override {
    heard_ = sockets_.loop_.now();
    std::string_view some(bytes.data(), bytes.size());
    if (!rest_.empty()) {
      rest_.append(some);
      some = rest_;
    }
    while (!some.empty()) {
      const stun::Frame frame = stun::next_frame(some, limits::kMaxStreamMessage);
      if (frame.state == stun::Frame::State::incomplete) break;
      if (frame.state == stun::Frame::State::broken) {
        ++sockets_.broken_;
        sockets_.batch_.flush();
        return sockets_.drop(client_.connection);  // this is gone now
      }
      sockets_.server_->on_client(client_, some.substr(0, frame.size));
      some.remove_prefix(frame.taken);
    }
    sockets_.batch_.flush();  // what has gone to peers lies in these bytes
    if (rest_.empty())
      rest_ = some;
    else
      rest_.erase(0, rest_.size() - some.size());
  }

  void on_closed(const net::StreamClosed&) override { sockets_.drop(client_.connection); }

  void send(std::string_view bytes, bool media) {
    if (media && stream_->queued() > limits::kMaxStreamQueued) {
      ++sockets_.slow_;
      return;
    }
    stream_->send(base::Buffer::copy_of(bytes));
  }

  const Client& client() const { return client_; }
  base::Instant heard() const { return heard_; }

 private:
  Sockets& sockets_;
  Client client_;
  std::unique_ptr<net::Stream> stream_;
  std::string rest_;  // an incomplete message, at most limits::kMaxStreamMessage and what one read adds
  base::Instant heard_;
};

// ---- listeners

Sockets::Sockets(base::Loop& loop, net::Network& network, base::Random& random, base::Metrics& metrics,
                 SocketsConfig config)
    : loop_(loop),
      network_(network),
      random_(random),
      config_(std::move(config)),
      received_(metrics.counter("relay_datagrams_received_total", "datagrams from clients and peers")),
      sent_(metrics.counter("relay_datagrams_sent_total", "datagrams to clients and peers")),
      refused_(metrics.counter("relay_datagrams_refused_total", "datagrams that the kernel did not take")),
      receive_calls_(metrics.counter("relay_receive_calls_total", "system calls that read datagrams")),
      send_calls_(metrics.counter("relay_send_calls_total", "system calls that sent datagrams")),
      unreachable_(metrics.counter("relay_unreachable_total", "ICMP errors about datagrams sent to peers")),
      connections_(metrics.counter("relay_connections", "TCP and TLS clients at the moment")),
      broken_(metrics.counter("relay_connections_closed_total{reason=\"broken\"}",
                              "TCP and TLS clients sent away")),
      idle_(metrics.counter("relay_connections_closed_total{reason=\"idle\"}",
                            "TCP and TLS clients sent away")),
      slow_(metrics.counter("relay_dropped_total{reason=\"slow_reader\"}", "packets that went no further")),
      batch_(config_.batch),
      idle_timer_(loop.timers(), [this] { close_idle(); }) {
  for (auto& taken : taken_) taken.resize(config_.last_port - config_.first_port + 1u);
  loop_.at_end_of_turn(this, [this] {
    batch_.flush();
    note_counts();
  });
}

Sockets::~Sockets() {
  loop_.forget_end_of_turn(this);
  close_all();
}

void Sockets::close_all() {
  idle_timer_.stop();
  streams_.clear();
  open_connections_.clear();
  batch_.flush();
  udp_.clear();
}

base::Status Sockets::open(Server& server) {
  server_ = &server;
  for (const net::Endpoint& local : config_.listen) {
    auto opened = local.transport == net::Transport::udp ? open_udp(local.address) : open_stream(local);
    if (!opened) return opened;
  }
  idle_timer_.start(config_.stream_idle / 2);
  return {};
}

base::Status Sockets::open_udp(const net::Address& configured) {
  for (const net::Address& place : places_of(configured))
    if (auto opened = listen_on(place); !opened) return opened;
  udp_locals_.push_back(configured.port != 0 ? configured : udp_.back()->local);
  return {};
}

void Sockets::follow_addresses() {
  for (const net::Address& configured : udp_locals_)
    for (const net::Address& place : places_of(configured)) {
      const bool known = std::ranges::any_of(udp_, [&](const auto& one) { return one->local == place; });
      if (known || udp_.size() == kFirstStream) continue;
      const auto opened = listen_on(place);
      if (opened)
        base::log::info("relay", "listens on udp {} too, which is a new address", place.text());
      else
        base::log::warn("relay", "{}", opened.error().message);
    }
}

base::Status Sockets::listen_on(const net::Address& local) {
  auto listener = std::make_unique<UdpListener>();
  net::Descriptor& fd = listener->socket.fd;
  fd = net::open_socket(local.ip, SOCK_DGRAM);
  if (!fd || !net::bind_to(fd.get(), local, config_.sharing))
    return base::fail("{}", net::explain_bind_error("udp", local, errno));
  net::enlarge_buffers(fd.get());
  batch_.take_in_pieces(fd.get());
  listener->local = net::local_address(fd.get());
  listener->watch = loop_.watch(fd.get());
  await(*listener, static_cast<std::uint16_t>(udp_.size()));
  udp_.push_back(std::move(listener));
  return {};
}

base::Status Sockets::open_stream(const net::Endpoint& local) {
  const auto number = static_cast<std::uint16_t>(kFirstStream + streams_.size());
  const bool tls = local.transport == net::Transport::tls;
  auto listener = network_.listen(
      local.address, tls ? config_.tls : nullptr,
      [this, number](std::unique_ptr<net::Stream> stream) { accept(number, std::move(stream)); });
  if (!listener) return std::unexpected(listener.error());
  const net::Address at = (*listener)->local();
  streams_.push_back({{local.transport, at}, std::move(*listener)});
  return {};
}

net::Transport Sockets::transport_of(const Client& client) const {
  return client.stream ? streams_[client.listener - kFirstStream].local.transport : net::Transport::udp;
}

std::vector<net::Endpoint> Sockets::locals() const {
  std::vector<net::Endpoint> all;
  for (const net::Address& one : udp_locals_) all.push_back({net::Transport::udp, one});
  for (const StreamListener& one : streams_) all.push_back(one.local);
  return all;
}

// ---- datagrams

// Waiting again for what was just read costs nothing (base/epoll_loop.h).
void Sockets::await(UdpListener& listener, std::uint16_t number) {
  listener.watch->wait(base::Ready::read, [this, number] { read_listener(*udp_[number], number); });
}

void Sockets::await(PortId id) {
  ports_[id]->watch->wait(base::Ready::read, [this, id] { read_port(id); });
}

void Sockets::read_listener(UdpListener& listener, std::uint16_t number) {
  await(listener, number);
  const auto packets = batch_.receive(listener.socket.fd.get(), net::limits::kBatch);
  for (const net::PacketBatch::Packet& packet : packets)
    server_->on_client({.remote = packet.from, .listener = number}, {packet.data, packet.size});
}

void Sockets::read_port(PortId id) {
  await(id);
  RelayPort& port = *ports_[id];
  const int fd = port.socket.fd.get();
  const auto packets = port.burst == 1 ? batch_.receive_one(fd) : batch_.receive(fd, port.burst);
  if (packets.empty()) return read_errors(id);
  const std::size_t got = packets.size();
  port.burst = static_cast<std::uint16_t>(got == port.burst ? std::min(2 * got, net::limits::kBatch) : got);
  for (const net::PacketBatch::Packet& packet : packets)
    server_->on_peer(id, packet.from, {packet.data, packet.size});
}

// What ICMP said about datagrams to peers.
void Sockets::read_errors(PortId id) {
  net::for_each_socket_error(
      ports_[id]->socket.fd.get(), [this, id](const net::Address& to, const sock_extended_err& error) {
        if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) return;
        ++unreachable_;
        server_->on_icmp(id, to, error.ee_type, error.ee_code, error.ee_info);
      });
}

void Sockets::answer(const Client& client, std::string_view bytes) {
  if (!client.stream) {
    send_now(udp_[client.listener]->socket.fd.get(), client.remote, bytes);
  } else if (const auto at = open_connections_.find(client.connection); at != open_connections_.end()) {
    at->second->send(bytes, false);
  }
}

void Sockets::to_client(const Client& client, std::string_view bytes) {
  if (!client.stream) {
    batch_.send(udp_[client.listener]->socket, client.remote, bytes);
  } else if (const auto at = open_connections_.find(client.connection); at != open_connections_.end()) {
    at->second->send(bytes, true);
  }
}

// A stream copies by itself.
void Sockets::copy_to_client(const Client& client, std::string_view bytes) {
  client.stream ? to_client(client, bytes) : answer(client, bytes);
}

void Sockets::to_peer(PortId id, const net::Address& peer, std::string_view bytes, bool dont_fragment) {
  RelayPort& port = *ports_[id];
  if (!dont_fragment) return batch_.send(port.socket, peer, bytes);
  const int fd = port.socket.fd.get();
  set_dont_fragment(fd, port.v4, true);
  send_now(fd, peer, bytes);
  set_dont_fragment(fd, port.v4, false);
}

void Sockets::send_now(int fd, const net::Address& to, std::string_view bytes) {
  ++(net::send_packet(fd, to, bytes) ? sent_alone_ : refused_alone_);
}

void Sockets::note_counts() {
  const auto& counts = batch_.counts();
  received_.set(counts.received);
  receive_calls_.set(counts.receive_calls);
  send_calls_.set(counts.send_calls + sent_alone_ + refused_alone_);
  sent_.set(counts.sent + sent_alone_);
  refused_.set(counts.refused + refused_alone_);
}

// ---- relayed ports

const SocketsConfig::Relayed* Sockets::relayed_of(stun::Family family) const {
  for (const auto& one : config_.relayed)
    if (one.local.is_v4() == (family == stun::Family::ipv4)) return &one;
  return nullptr;
}

// By chance first, so that nobody can guess the next (RFC 8656 7.2), then all in order.
std::optional<std::uint16_t> Sockets::candidate(int attempt) {
  const int size = config_.last_port - config_.first_port + 1;
  if (attempt >= limits::kPortTries + size) return std::nullopt;
  const int offset = attempt < limits::kPortTries
                         ? static_cast<int>(random_.below(static_cast<std::uint64_t>(size)))
                         : attempt - limits::kPortTries;
  return static_cast<std::uint16_t>(config_.first_port + offset);
}

net::Descriptor Sockets::bind_port(const SocketsConfig::Relayed& at, std::uint16_t port) {
  net::Descriptor fd = net::open_socket(at.local, SOCK_DGRAM);
  if (!fd) return fd;
  if (!net::bind_to(fd.get(), {at.local, port})) return {};
  set_dont_fragment(fd.get(), at.local.is_v4(), false);
  if (at.local.is_v4())
    net::set_option(fd.get(), IPPROTO_IP, IP_RECVERR, 1);
  else
    net::set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVERR, 1);
  return fd;
}

Io::Port Sockets::keep(net::Descriptor fd, const SocketsConfig::Relayed& at, std::uint16_t number) {
  PortId id = static_cast<PortId>(ports_.size());
  if (free_ids_.empty())
    ports_.emplace_back();
  else
    id = free_ids_.back(), free_ids_.pop_back();
  ports_[id] = std::make_unique<RelayPort>();
  ports_[id]->socket.fd = std::move(fd);
  ports_[id]->number = number;
  ports_[id]->v4 = at.local.is_v4();
  ports_[id]->watch = loop_.watch(ports_[id]->socket.fd.get());
  await(id);
  is_taken(at.local.is_v4(), number) = true;
  return {id, {at.known, number}};
}

std::optional<Io::Opened> Sockets::open(stun::Family family, Wish wish) {
  const SocketsConfig::Relayed* at = relayed_of(family);
  if (!at) return std::nullopt;
  const bool v4 = at->local.is_v4(), even = wish != Wish::any, pair = wish == Wish::even_and_next;
  for (int attempt = 0;; ++attempt) {
    const auto number = candidate(attempt);
    if (!number) return std::nullopt;
    const auto above = static_cast<std::uint16_t>(*number + 1);
    if ((even && *number % 2 != 0) || is_taken(v4, *number)) continue;
    if (pair && (*number == config_.last_port || is_taken(v4, above))) continue;
    net::Descriptor fd = bind_port(*at, *number), next;
    if (!fd || (pair && !(next = bind_port(*at, above)))) {
      if (errno == EADDRINUSE || errno == EACCES) continue;
      warn_of_no_port(errno);
      return std::nullopt;
    }
    Opened opened{.port = keep(std::move(fd), *at, *number), .next = {}};
    if (pair) opened.next = keep(std::move(next), *at, above);
    return opened;
  }
}

void Sockets::warn_of_no_port(int error) {
  if (loop_.now() < next_warning_) return;
  next_warning_ = loop_.now() + net::limits::kWarningPause;
  base::log::warn("relay", "no port for a client: {}", net::error_text(error));
}

void Sockets::close(PortId id) {
  batch_.flush();  // what waits to leave by it
  is_taken(ports_[id]->v4, ports_[id]->number) = false;
  ports_[id].reset();
  free_ids_.push_back(id);
}

// ---- TCP and TLS

void Sockets::accept(std::uint16_t listener, std::unique_ptr<net::Stream> stream) {
  const std::uint64_t number = ++last_connection_;
  const Client client{.remote = stream->remote(), .listener = listener, .stream = true, .connection = number};
  open_connections_.emplace(number, std::make_unique<Connection>(*this, client, std::move(stream)));
  connections_.set(open_connections_.size());
}

void Sockets::drop(std::uint64_t number) {
  const auto at = open_connections_.find(number);
  if (at == open_connections_.end()) return;
  // Out of the table first: the server, told, may have something to say to it.
  const std::unique_ptr<Connection> gone = std::move(at->second);
  open_connections_.erase(at);
  connections_.set(open_connections_.size());
  server_->on_stream_closed(gone->client());
}

void Sockets::close_idle() {
  std::vector<std::uint64_t> idle;
  for (const auto& [number, connection] : open_connections_)
    if (loop_.now() - connection->heard() >= config_.stream_idle &&
        !server_->has_allocation(connection->client()))
      idle.push_back(number);
  for (const std::uint64_t number : idle) {
    ++idle_;
    drop(number);
  }
  idle_timer_.start(config_.stream_idle / 2);
}

}  // namespace causeway::relay
