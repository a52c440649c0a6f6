#include "sip/connections.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/log.h"

namespace causeway::sip {

namespace {

char folded(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), folded);
  return out;
}

// What a connection is found by: for a peer link the member's name alone, else transport, address, name.
// Written into place, since it is made for every request that leaves over a stream.
class StreamKey {
 public:
  static constexpr std::size_t kMostName = 253;  // RFC 1035 2.3.4

  explicit StreamKey(std::string_view member_name) {
    put('m');
    name(member_name);
  }
  StreamKey(const net::Endpoint& endpoint, std::string_view tls_name) {
    put(static_cast<char>('0' + static_cast<int>(endpoint.transport)));
    put(endpoint.address.ip.is_v4() ? '4' : '6');
    std::memcpy(text_.data() + size_, endpoint.address.ip.bytes().data(), 16);
    std::memcpy(text_.data() + size_ + 16, &endpoint.address.port, 2);
    size_ += 18;
    name(tls_name);
  }
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  void put(char c) { text_[size_++] = c; }
  void name(std::string_view text) {
    for (char c : text.substr(0, kMostName)) put(folded(c));
  }
  std::array<char, 20 + kMostName> text_;
  std::size_t size_ = 0;
};

}  // namespace

Connections::Connections(base::Loop& loop, net::Network& network, base::Metrics& metrics,
                         ConnectionUser& user, unsigned worker)
    : loop_(loop),
      network_(network),
      user_(user),
      // A flow that a binding has kept over a restart must not name a new connection.
      last_number_(
          std::uint64_t{worker} << kWorkerShift |
          (static_cast<std::uint64_t>(loop.unix_now()) << 16 & ((std::uint64_t{1} << kWorkerShift) - 1))),
      self_(std::make_shared<Connections*>(this)),
      opened_(metrics.counter("sip_connections_opened_total", "streams opened by us")),
      accepted_(metrics.counter("sip_connections_accepted_total", "streams accepted")),
      closed_(metrics.counter("sip_connections_closed_total", "streams that have ended")),
      idle_(metrics.counter("sip_connections_ended_total{reason=\"idle\"}",
                            "streams ended by us: nothing came or went for too long")),
      silent_(metrics.counter("sip_connections_ended_total{reason=\"silent\"}",
                              "streams ended by us: no answer to a keep-alive")),
      slow_(metrics.counter("sip_connections_ended_total{reason=\"slow message\"}",
                            "streams ended by us: a message was begun and not completed in time")),
      not_sip_(metrics.counter("sip_connections_ended_total{reason=\"not SIP\"}",
                               "streams ended by us: what came could not be framed, or was too large")),
      not_a_member_(metrics.counter("sip_connections_refused_total{reason=\"not a member\"}",
                                    "peer links whose certificate names no peer of this domain")) {}

Connections::~Connections() { *self_ = nullptr; }

Connection& Connections::add(const Flow& flow, std::string name, std::string key) {
  auto connection = std::make_unique<Connection>(*this, loop_, flow, std::move(name));
  Connection& added = *connection;
  by_number_.emplace(flow.connection, std::move(connection));
  if (!key.empty()) {
    by_key_[key] = flow.connection;
    added.key = std::move(key);
  }
  user_.on_stream_added(flow);
  return added;
}

// The other side's PEERID.peers.D, whose D is that of our own name.
std::string Connections::proven_member(const net::Stream& stream) const {
  const std::string own = lower(contexts_.member_name);
  const auto dot = own.find('.');
  if (dot == std::string::npos) return {};
  const std::string_view domain = std::string_view(own).substr(dot);
  for (const std::string& certified : stream.certified_names()) {
    std::string name = lower(certified);
    if (name.find('.') == name.size() - domain.size() && name.size() > domain.size() &&
        name.ends_with(domain) && name.size() <= StreamKey::kMostName)
      return name;
  }
  return {};
}

// RFC 5922 7.1: a URI with a user part names that user. A certificate that names users is one of theirs, who
// speaks for nobody else; those of peers name none.
void Connections::note_users(Connection& connection, const net::Stream& stream) {
  for (const std::string& certified : stream.certified_names()) {
    const auto at = certified.find('@');
    if (at == std::string::npos || !certified.starts_with("sip:")) continue;
    connection.users.push_back(certified.substr(4, at - 4));
  }
  if (!connection.users.empty()) ++with_users_;
}

void Connections::accept(std::unique_ptr<net::Stream> stream, net::Transport transport, bool member) {
  Flow flow{transport, member, 0, stream->remote()};
  std::string name, key;
  if (member) {
    name = proven_member(*stream);
    if (name.empty()) {
      ++not_a_member_;
      return;
    }
    key = StreamKey(name).view();
    if (by_key_.contains(key)) key.clear();  // both have called each other: the first one is used
  }
  ++accepted_;
  flow.connection = ++last_number_;
  Connection& connection = add(flow, std::move(name), std::move(key));
  if (member) note_users(connection, *stream);
  stream->set_handler(connection);
  connection.adopt(std::move(stream));
}

std::optional<Flow> Connections::to(const Target& target) {
  const bool tls = target.member || target.endpoint.transport == net::Transport::tls;
  net::TlsContext* context = target.member ? contexts_.member : contexts_.tls_client;
  if ((tls && !context) || target.tls_name.size() > StreamKey::kMostName) return std::nullopt;
  const bool anybody = target.member && target.tls_name.empty();
  if (anybody)
    if (auto link = link_at(target.endpoint.address)) return link;
  const StreamKey key =
      target.member ? StreamKey(target.tls_name) : StreamKey(target.endpoint, target.tls_name);
  if (const auto known = by_key_.find(key.view()); known != by_key_.end())
    return by_number_.at(known->second)->flow();
  if (auto proven = same_place(target)) return proven;
  ++opened_;
  const auto transport = target.member ? net::Transport::tls : target.endpoint.transport;
  Flow flow{transport, target.member, 0, target.endpoint.address, ++last_number_};
  Connection& connection =
      add(flow, lower(target.tls_name), anybody ? std::string() : std::string(key.view()));
  net::TlsClient client;
  if (tls) client = {context, target.tls_name};
  connection.adopt(network_.connect(target.endpoint.address, client, connection));
  return flow;
}

std::optional<Flow> Connections::link_at(const net::Address& address) const {
  for (const auto& [number, connection] : by_number_)
    if (connection->flow().member && connection->flow().remote == address) return connection->flow();
  return std::nullopt;
}

// A server that names itself by its address in a Record-Route or Contact has seldom a certificate for
// that address. A connection to the very place, whose name was proven when it was made, serves.
std::optional<Flow> Connections::same_place(const Target& target) const {
  if (target.member || target.endpoint.transport != net::Transport::tls || !net::Ip::parse(target.tls_name))
    return std::nullopt;
  for (const auto& [number, connection] : by_number_) {
    const Flow& flow = connection->flow();
    if (!flow.member && flow.transport == net::Transport::tls && flow.remote == target.endpoint.address &&
        !connection->key.empty())
      return flow;
  }
  return std::nullopt;
}

std::optional<Flow> Connections::to_member(std::string_view name) const {
  const auto known = by_key_.find(StreamKey(name).view());
  if (known == by_key_.end()) return std::nullopt;
  return by_number_.at(known->second)->flow();
}

void Connections::send(const Flow& flow, base::Buffer bytes) {
  if (auto known = by_number_.find(flow.connection); known != by_number_.end())
    known->second->send(std::move(bytes));
}

void Connections::keep_alive(const Flow& flow, base::Duration ping, base::Duration pong) {
  if (auto known = by_number_.find(flow.connection); known != by_number_.end())
    known->second->keep_alive(ping, pong);
}

void Connections::expect(const Flow& flow, base::Duration silence) {
  if (auto known = by_number_.find(flow.connection); known != by_number_.end())
    known->second->expect(silence);
}

void Connections::close(const Flow& flow, std::string_view why) {
  if (auto known = by_number_.find(flow.connection); known != by_number_.end())
    known->second->close(Connection::End::not_wanted, why);
}

std::span<const std::string> Connections::users_of(const Flow& flow) const {
  if (with_users_ == 0) return {};
  const auto known = by_number_.find(flow.connection);
  return known == by_number_.end() ? std::span<const std::string>{} : std::span(known->second->users);
}

std::string_view Connections::name_of(const Flow& flow) const {
  const auto known = by_number_.find(flow.connection);
  return known == by_number_.end() ? std::string_view{} : std::string_view(known->second->name());
}

void Connections::on_stream_message(Connection& connection, std::string_view bytes) {
  user_.on_stream_message(connection.flow(), bytes);
}

void Connections::on_stream_error(Connection& connection, std::string_view bytes, const ParseError& error) {
  user_.on_stream_error(connection.flow(), bytes, error);
}

// TLS has checked the name; a peer link must in any case not rest on that alone.
void Connections::on_stream_connected(Connection& connection) {
  if (!connection.flow().member) return user_.on_stream_connected(connection.flow());
  std::string proven = proven_member(connection.stream());
  if (connection.name().empty() && !proven.empty()) {  // anybody was called
    std::string key(StreamKey(proven).view());
    connection.set_name(proven);
    if (by_key_.try_emplace(key, connection.flow().connection).second) connection.key = std::move(key);
  }
  if (!proven.empty() && proven == connection.name()) {
    note_users(connection, connection.stream());
    return user_.on_stream_connected(connection.flow());
  }
  ++not_a_member_;
  connection.close(Connection::End::not_a_member, "its certificate is not that of the peer that was called");
}

// The way to a member may go on over another link that it has opened meanwhile.
void Connections::unregister(Connection& connection) {
  if (connection.key.empty()) return;
  by_key_.erase(connection.key);
  if (!connection.flow().member) return;
  for (auto& [number, other] : by_number_) {
    if (!other->flow().member || other->name() != connection.name()) continue;
    by_key_[connection.key] = number;
    other->key = connection.key;
    return;
  }
}

void Connections::on_stream_closed(Connection& connection, Connection::End end, std::string_view why) {
  ++closed_;
  if (end == Connection::End::idle) ++idle_;
  if (end == Connection::End::silent) ++silent_;
  if (end == Connection::End::slow_message) ++slow_;
  if (end == Connection::End::not_sip) ++not_sip_;
  base::log::debug("sip", "{} connection {} to {}: {}", net::transport_name(connection.flow().transport),
                   connection.flow().connection, connection.flow().remote.text(), why);
  auto known = by_number_.find(connection.flow().connection);
  if (known == by_number_.end()) return;
  if (!connection.users.empty()) --with_users_;
  dead_.push_back({std::move(known->second), std::string(why)});
  by_number_.erase(known);
  unregister(connection);
  if (dead_.size() > 1) return;
  loop_.post([self = self_] {
    if (*self) (*self)->bury();
  });
}

void Connections::bury() {
  std::vector<Dead> dead;
  dead.swap(dead_);
  for (const Dead& one : dead) user_.on_stream_closed(one.connection->flow(), one.why);
}

}  // namespace causeway::sip
