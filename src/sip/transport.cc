#include "sip/transport.h"

#include "base/limits.h"
#include "base/log.h"
#include "sip/complete_via.h"
#include "sip/connections.h"
#include "sip/handover.h"
#include "sip/late_responses.h"
#include "sip/local_names.h"
#include "sip/refusal.h"
#include "sip/rewrite.h"
#include "sip/stateless_tag.h"
#include "stun/binding.h"
#include "stun/message.h"

namespace causeway::sip {

namespace {

struct TransportMetrics {
  base::Counter& received;
  base::Counter& sent;
  base::Counter& keep_alives;
  base::Counter& stun;
  base::Counter& malformed;
  base::Counter& too_large;
  base::Counter& answered;
  base::Counter& foreign_response;
  base::Counter& no_flow;
  base::Counter& maddr;
  explicit TransportMetrics(base::Metrics& m)
      : received(m.counter("sip_messages_received_total", "well-formed SIP messages received")),
        sent(m.counter("sip_messages_sent_total", "SIP messages sent")),
        keep_alives(m.counter("sip_keep_alives_total", "datagrams that only keep a NAT open")),
        stun(m.counter("sip_stun_total", "STUN datagrams on SIP sockets")),
        malformed(m.counter("sip_dropped_total{reason=\"malformed\"}", "bytes that are not SIP")),
        too_large(m.counter("sip_dropped_total{reason=\"too large\"}",
                            "messages with more header lines, bytes of headers or bytes than we read")),
        answered(m.counter("sip_answered_stateless_total", "requests answered without a transaction")),
        foreign_response(m.counter("sip_dropped_total{reason=\"response not ours\"}",
                                   "responses whose top Via is not ours (RFC 3261 18.1.2)")),
        no_flow(m.counter("sip_dropped_total{reason=\"no way back\"}",
                          "messages for a flow that has ended and cannot be replaced")),
        maddr(m.counter("sip_maddr_ignored_total",
                        "requests whose Via asks for the answer to be sent to another host")) {}
};

std::uint16_t default_port(net::Transport transport) {
  return transport == net::Transport::tls ? 5061 : 5060;
}

// What some phones send to keep a NAT open: line ends, blanks, zeros.
bool is_keep_alive(std::span<const char> bytes) {
  for (char c : bytes)
    if (c != '\r' && c != '\n' && c != ' ' && c != '\0') return false;
  return true;
}

}  // namespace

class TransportLayer::Impl final : public ConnectionUser {
 public:
  Impl(base::Loop& loop, net::Network& network, base::Metrics& metrics, WorkerGroup* group, unsigned worker)
      : late_responses([this](const Target& to) { return connections_.to(to); },
                       [this](const Flow& flow, base::Buffer bytes) { send(flow, std::move(bytes)); },
                       metrics),
        sources(loop, metrics),
        network_(network),
        metrics_(metrics),
        names_(loop, network),
        connections_(loop, network, metrics, *this, worker) {
    if (group)
      handover_ = std::make_unique<Handover>(*group, worker, loop, metrics,
                                             [this](const Parcel& parcel) { on_parcel(parcel); });
  }

  base::Status open(const TransportConfig& config);
  std::optional<Flow> flow_to(const Target& target);
  std::optional<Flow> response_flow(const Flow& flow, const Via& via);
  std::string_view sent_by(const Flow& flow);
  bool alive(const Flow& flow) const;
  void send(const Flow& flow, base::Buffer bytes, bool ordered = true);
  std::chrono::microseconds waited() const { return network_.waited(); }
  void respond_stateless(const Message& request, const Via& via, const Flow& flow, int status,
                         std::string_view reason, bool known = false);
  base::Buffer write_refusal(std::string_view request, const Via& via, const Flow& flow) const;
  void send_refusal(base::Buffer refusal, const Via& via, const Flow& flow);
  bool acknowledges_stateless(const Message& ack, const Via& via, const Flow& flow);
  bool acknowledges_stateless(std::string_view ack, const Flow& flow);

  struct UdpPort final : net::UdpHandler {
    UdpPort(Impl& transport, std::uint16_t socket_number) : owner(transport), number(socket_number) {}
    void on_datagrams(std::span<net::Datagram> batch) override {
      for (net::Datagram& datagram : batch) owner.on_datagram(*this, datagram);
    }
    void on_unreachable(const net::Address& to) override { owner.unreachable(to); }
    Impl& owner;
    std::uint16_t number;
    std::size_t local = 0;  // in names_
    std::unique_ptr<net::UdpSocket> socket;
  };
  struct StreamPort {
    net::Transport transport;
    bool member;
    std::size_t local;
    std::unique_ptr<net::Listener> listener;
  };

  TransportHandler* handler = nullptr;
  StunHook stun_hook;
  TraceHook trace;
  RequestOwner request_owner;
  LateResponses late_responses;
  SourceLimit sources;
  std::size_t received_bytes = 0;  // of the message that is being handled
  std::vector<std::unique_ptr<UdpPort>> udp;
  std::vector<StreamPort> streams;
  std::string member_name;

  LocalNames& names() { return names_; }
  Connections& connections() { return connections_; }
  std::uint64_t lock_waits() const { return handover_ ? handover_->waits() : 0; }
  const Connections& connections() const { return connections_; }

 private:
  base::Status open_udp(const TransportConfig::Local& local);
  base::Status listen(const net::Address& address, const std::string& advertised, net::TlsContext* tls,
                      bool member);
  const UdpPort* udp_for(const net::Ip& remote);
  void on_datagram(UdpPort& port, net::Datagram& datagram);
  void answer_stun(UdpPort& port, net::Datagram& datagram);
  void unreachable(const net::Address& to);
  void count_refused(const ParseError& error) {
    ++(error.status == 413 || error.status == 513 ? metrics_.too_large : metrics_.malformed);
  }
  void receive(const Flow& flow, std::string_view bytes);
  void receive_request(const Flow& flow, std::string_view bytes, const Via& via, Handover* handover);
  void receive_response(const Flow& flow, std::string_view bytes, const Via& via);
  void on_parcel(const Parcel& parcel);
  void send_for(const Parcel& parcel);

  // ConnectionUser
  void on_stream_message(const Flow& flow, std::string_view bytes) override { receive(flow, bytes); }
  void on_stream_error(const Flow& flow, std::string_view bytes, const ParseError& error) override;
  void on_stream_connected(const Flow& flow) override { late_responses.on_connected(flow); }
  void on_stream_added(const Flow& flow) override {
    if (handover_) handover_->opened(flow);
  }
  void on_stream_closed(const Flow& flow, std::string_view why) override {
    if (handover_) handover_->closed(flow);
    late_responses.on_closed(flow);
    if (handler) handler->on_flow_closed(flow, why);
  }

  net::Network& network_;
  TransportMetrics metrics_;
  LocalNames names_;
  Message message_;  // the one that is being handled
  std::unique_ptr<char[]> scratch_ = std::make_unique_for_overwrite<char[]>(kScratch);
  static constexpr std::size_t kScratch = net::limits::kMaxDatagram + kSourceRoom;
  std::unique_ptr<Handover> handover_;  // none: the only worker
  Connections connections_;
};

base::Status TransportLayer::Impl::open(const TransportConfig& config) {
  sources.configure(config.strangers);
  member_name = config.member_name;
  if (!member_name.empty()) names_.add_name(member_name);
  connections_.set_contexts({config.tls_client, config.member_tls, config.member_name});
  for (const TransportConfig::Local& local : config.locals) {
    if (local.transport == net::Transport::tls && !config.tls_server)
      return base::fail("tls {}: a certificate and key are needed to listen there", local.address.text());
    auto opened = local.transport == net::Transport::udp
                      ? open_udp(local)
                      : listen(local.address, local.advertised,
                               local.transport == net::Transport::tls ? config.tls_server : nullptr, false);
    if (!opened) return opened;
  }
  for (const net::Address& address : config.member_locals) {
    if (!config.member_tls)
      return base::fail("peer link {}: the credential's certificate is missing", address.text());
    auto opened = listen(address, {}, config.member_tls, true);
    if (!opened) return opened;
  }
  return {};
}

base::Status TransportLayer::Impl::open_udp(const TransportConfig::Local& local) {
  auto port = std::make_unique<UdpPort>(*this, static_cast<std::uint16_t>(udp.size()));
  auto socket = network_.open_udp(local.address, *port);
  if (!socket) return std::unexpected(socket.error());
  port->socket = std::move(*socket);
  auto number =
      names_.add(net::Transport::udp, {local.address.ip, port->socket->local().port}, local.advertised);
  if (!number) return std::unexpected(number.error());
  port->local = *number;
  udp.push_back(std::move(port));
  return {};
}

base::Status TransportLayer::Impl::listen(const net::Address& address, const std::string& advertised,
                                          net::TlsContext* tls, bool member) {
  const auto transport = tls ? net::Transport::tls : net::Transport::tcp;
  auto listener =
      network_.listen(address, tls, [this, transport, member](std::unique_ptr<net::Stream> stream) {
        connections_.accept(std::move(stream), transport, member);
      });
  if (!listener) return std::unexpected(listener.error());
  auto number = names_.add(transport, {address.ip, (*listener)->local().port}, advertised);
  if (!number) return std::unexpected(number.error());
  streams.push_back({transport, member, *number, std::move(*listener)});
  return {};
}

// The socket of the right family; if there are several, the one whose address packets would bear anyway.
const TransportLayer::Impl::UdpPort* TransportLayer::Impl::udp_for(const net::Ip& remote) {
  const UdpPort* found = nullptr;
  for (const auto& port : udp) {
    if (port->socket->local().ip.is_v4() != remote.is_v4()) continue;
    if (!found) {
      found = port.get();
    } else if (port->socket->local().ip == names_.source_for(remote)) {
      return port.get();
    }
  }
  return found;
}

std::optional<Flow> TransportLayer::Impl::flow_to(const Target& target) {
  if (target.member || net::is_stream(target.endpoint.transport)) return connections_.to(target);
  const UdpPort* port = udp_for(target.endpoint.address.ip);
  if (!port) return std::nullopt;
  return Flow{net::Transport::udp, false, port->number, target.endpoint.address};
}

bool TransportLayer::Impl::alive(const Flow& flow) const {
  if (handover_ && handover_->is_foreign(flow)) return handover_->is_open(flow);
  return net::is_stream(flow.transport) ? connections_.alive(flow) : flow.socket < udp.size();
}

void TransportLayer::Impl::send(const Flow& flow, base::Buffer bytes, bool ordered) {
  if (handover_ && handover_->is_foreign(flow)) return handover_->send(flow, bytes.view());
  if (!alive(flow)) {
    ++metrics_.no_flow;
    return;
  }
  ++metrics_.sent;
  if (trace) trace(false, flow, bytes.view());
  if (net::is_stream(flow.transport)) {
    late_responses.sent(flow, bytes);
    return connections_.send(flow, std::move(bytes));
  }
  net::UdpSocket& socket = *udp[flow.socket]->socket;
  if (ordered)
    socket.send(flow.remote, std::move(bytes));
  else
    socket.send_unordered(flow.remote, std::move(bytes));
}

std::string_view TransportLayer::Impl::sent_by(const Flow& flow) {
  if (flow.member) return member_name;
  if (!net::is_stream(flow.transport)) {
    if (flow.socket >= udp.size()) return {};
    return names_.sent_by(udp[flow.socket]->local, flow.remote.ip);
  }
  for (const StreamPort& port : streams)
    if (!port.member && port.transport == flow.transport &&
        port.listener->local().ip.is_v4() == flow.remote.ip.is_v4())
      return names_.sent_by(port.local, flow.remote.ip);
  return names_.sent_by_source(flow.transport, flow.remote.ip);
}

std::optional<Flow> TransportLayer::Impl::response_flow(const Flow& flow, const Via& via) {
  const std::uint16_t port = via.port ? via.port : default_port(flow.transport);
  if (net::is_stream(flow.transport)) {
    if (alive(flow)) return flow;
    if (flow.member) return connections_.to_member(via.host);
    // Who closes a connection before the answer comes makes us open one to where his Via says.
    if (!sources.take(flow.remote.ip)) return std::nullopt;
    Target target{{flow.transport, {flow.remote.ip, port}}, {}, false};
    if (!net::Ip::parse(via.host)) target.tls_name = via.host;
    auto made = connections_.to(target);
    if (made && !target.tls_name.empty()) late_responses.expect(*made, via.host, via.port);
    return made;
  }
  // 18.2.2 sends the answer to maddr. That is meant for multicast; here it would aim answers at others.
  if (!via.maddr.empty() && net::Ip::parse(via.maddr) != flow.remote.ip) ++metrics_.maddr;
  Flow back = flow;
  if (!via.has_rport) back.remote.port = port;
  return back;
}

void TransportLayer::Impl::respond_stateless(const Message& request, const Via& via, const Flow& flow,
                                             int status, std::string_view reason, bool known) {
  if (!request.can_be_answered()) return;
  const auto back = response_flow(flow, via);
  if (!back) {
    ++metrics_.no_flow;
    return;
  }
  const StatelessTag tag(sources.secret(), flow.remote.ip, via, request.call_id());
  const RetryAfter seconds(tag.hash());
  const ExtraHeader retry_after{"Retry-After", seconds.text()};
  const std::span extra(&retry_after, status == 503 ? 1 : 0);
  if (known || !SourceLimit::can_be_forged(flow.transport, flow.remote.ip)) {
    ++metrics_.answered;
    return send(*back, make_response(request, status, reason, tag.text(), extra));
  }
  auto response = make_short_response(request, status, reason, tag.text(), extra,
                                      SourceLimit::kMostGrowth * received_bytes);
  if (!response) return sources.count_too_long();
  if (!sources.take(flow.remote.ip)) return;
  ++metrics_.answered;
  send(*back, std::move(response));
}

base::Buffer TransportLayer::Impl::write_refusal(std::string_view request, const Via& via,
                                                 const Flow& flow) const {
  auto refusal = sip::write_refusal(request, via, flow.remote, sources.secret());
  const bool too_long = SourceLimit::can_be_forged(flow.transport, flow.remote.ip) &&
                        refusal.size() > SourceLimit::kMostGrowth * received_bytes;
  return too_long ? base::Buffer{} : refusal;
}

void TransportLayer::Impl::send_refusal(base::Buffer refusal, const Via& via, const Flow& flow) {
  if (SourceLimit::can_be_forged(flow.transport, flow.remote.ip) && !sources.take(flow.remote.ip)) return;
  const auto back = response_flow(flow, via);
  if (!back) {
    ++metrics_.no_flow;
    return;
  }
  ++metrics_.answered;
  send(*back, std::move(refusal), false);
}

bool TransportLayer::Impl::acknowledges_stateless(const Message& ack, const Via& via, const Flow& flow) {
  const auto tag = ack.to_tag();
  if (!StatelessTag::looks_like(tag) ||
      StatelessTag(sources.secret(), flow.remote.ip, via, ack.call_id()).text() != tag)
    return false;
  if (SourceLimit::can_be_forged(flow.transport, flow.remote.ip)) sources.arrived(flow.remote.ip);
  return true;
}

bool TransportLayer::Impl::acknowledges_stateless(std::string_view ack, const Flow& flow) {
  if (!sip::acknowledges_stateless(ack, flow.remote.ip, sources.secret())) return false;
  if (SourceLimit::can_be_forged(flow.transport, flow.remote.ip)) sources.arrived(flow.remote.ip);
  return true;
}

// RFC 5626 4.4.2. A bare request over IPv6 gets an answer of more than twice its length, so only who has
// proved himself is told.
void TransportLayer::Impl::answer_stun(UdpPort& port, net::Datagram& datagram) {
  ++metrics_.stun;
  const net::Ip& source = datagram.from.ip;
  auto answer = stun_hook
                    ? stun_hook(datagram.bytes, datagram.from)
                    : stun::answer_binding({datagram.bytes.data(), datagram.bytes.size()}, datagram.from);
  if (!answer) return;
  if (SourceLimit::can_be_forged(net::Transport::udp, source)) {
    if (answer.size() > SourceLimit::kMostGrowth * datagram.bytes.size() && !sources.is_proven(source))
      return sources.count_too_long();
    if (!sources.take(source)) return;
  }
  port.socket->send(datagram.from, std::move(answer));
}

void TransportLayer::Impl::on_datagram(UdpPort& port, net::Datagram& datagram) {
  std::string_view bytes(datagram.bytes.data(), datagram.bytes.size());
  if (stun::is_stun(bytes)) return answer_stun(port, datagram);
  if (bytes.empty() || (static_cast<unsigned char>(bytes[0]) <= ' ' && is_keep_alive(datagram.bytes))) {
    ++metrics_.keep_alives;
    return;
  }
  receive({net::Transport::udp, false, port.number, datagram.from}, bytes);
}

void TransportLayer::Impl::receive(const Flow& flow, std::string_view bytes) {
  while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);  // 7.5
  if (trace) trace(true, flow, bytes);
  received_bytes = bytes.size();
  if (handler && handler->on_arrival(bytes, flow)) return;
  const auto via = bytes.size() <= limits::kMaxMessage ? find_top_via(bytes) : std::nullopt;
  if (!via) {
    ++metrics_.malformed;
    return;
  }
  if (!same_text(bytes.substr(0, 4), "SIP/")) return receive_request(flow, bytes, *via, handover_.get());
  if (handover_ && handover_->pass_response(flow, bytes, via->branch)) return;
  receive_response(flow, bytes, *via);
}

// `handover`: none if the request is this worker's in any case.
void TransportLayer::Impl::receive_request(const Flow& flow, std::string_view bytes, const Via& via,
                                           Handover* handover) {
  const std::string_view as_it_came = bytes;
  if (needs_source(via, flow.remote))
    bytes = complete_via(bytes, via, flow.remote, {scratch_.get(), kScratch});
  if (auto parsed = message_.parse(bytes); !parsed) {
    count_refused(parsed.error());
    base::log::debug("sip", "from {}: {} at byte {}", flow.remote.text(), parsed.error().what,
                     parsed.error().offset);
    return respond_stateless(message_, via, flow, parsed.error().status, parsed.error().what);
  }
  if (handover && request_owner) {
    const unsigned owner = request_owner(message_);
    if (owner != handover->worker()) return handover->pass_request(owner, flow, as_it_came);
  }
  ++metrics_.received;
  if (handler) handler->on_message(message_, via, flow);
}

void TransportLayer::Impl::receive_response(const Flow& flow, std::string_view bytes, const Via& via) {
  if (auto parsed = message_.parse(bytes); !parsed) return count_refused(parsed.error());
  if (!names_.is_local(via.host, via.port)) {
    ++metrics_.foreign_response;
    return;
  }
  ++metrics_.received;
  if (handler) handler->on_message(message_, via, flow);
}

void TransportLayer::Impl::unreachable(const net::Address& to) {
  if (handler) handler->on_unreachable(to);
  if (handover_) handover_->tell_unreachable(to);
}

// What another worker has for this one. It may have changed while it was on its way: nothing is sent on
// twice.
void TransportLayer::Impl::on_parcel(const Parcel& parcel) {
  switch (parcel.what) {
    case Parcel::What::received: {
      received_bytes = parcel.bytes.size();
      const auto via = find_top_via(parcel.bytes);
      if (!via) return;
      if (same_text(parcel.bytes.substr(0, 4), "SIP/"))
        return receive_response(parcel.flow, parcel.bytes, *via);
      return receive_request(parcel.flow, parcel.bytes, *via, nullptr);
    }
    case Parcel::What::send:
      return send_for(parcel);
    case Parcel::What::closed:
      if (handler) handler->on_flow_closed(parcel.flow, "closed at another worker");
      return;
    case Parcel::What::unreachable:
      if (handler) handler->on_unreachable(parcel.flow.remote);
      return;
  }
}

void TransportLayer::Impl::send_for(const Parcel& parcel) {
  if (!connections_.alive(parcel.flow)) {
    ++metrics_.no_flow;
    return handover_->tell_closed(parcel.flow, parcel.from);
  }
  handover_->note_sender(parcel.flow, parcel.from);
  send(parcel.flow, base::Buffer::copy_of(parcel.bytes));
}

void TransportLayer::Impl::on_stream_error(const Flow& flow, std::string_view bytes,
                                           const ParseError& error) {
  count_refused(error);
  base::log::debug("sip", "from {}: {} at byte {}", flow.remote.text(), error.what, error.offset);
  const auto via = find_top_via(bytes);
  if (!via) return;
  (void)message_.parse(bytes);
  received_bytes = bytes.size();
  respond_stateless(message_, *via, flow, error.status, error.what);
}

TransportLayer::TransportLayer(base::Loop& loop, net::Network& network, base::Metrics& metrics,
                               WorkerGroup* group, unsigned worker)
    : impl_(std::make_unique<Impl>(loop, network, metrics, group, worker)) {}
TransportLayer::~TransportLayer() = default;

void TransportLayer::set_handler(TransportHandler& handler) { impl_->handler = &handler; }
base::Status TransportLayer::open(const TransportConfig& config) { return impl_->open(config); }
std::optional<Flow> TransportLayer::flow_to(const Target& target) { return impl_->flow_to(target); }
std::optional<Flow> TransportLayer::member_flow(std::string_view name) const {
  return impl_->connections().to_member(name);
}
bool TransportLayer::alive(const Flow& flow) const { return impl_->alive(flow); }
void TransportLayer::send(const Flow& flow, base::Buffer bytes) { impl_->send(flow, std::move(bytes)); }
std::chrono::microseconds TransportLayer::waited() const { return impl_->waited(); }
std::string_view TransportLayer::sent_by(const Flow& flow) const { return impl_->sent_by(flow); }
std::string_view TransportLayer::member_name(const Flow& flow) const {
  return flow.member ? impl_->connections().name_of(flow) : std::string_view{};
}
std::span<const std::string> TransportLayer::member_users(const Flow& flow) const {
  return flow.member ? impl_->connections().users_of(flow) : std::span<const std::string>{};
}
void TransportLayer::keep_alive(const Flow& flow, base::Duration ping, base::Duration pong) {
  impl_->connections().keep_alive(flow, ping, pong);
}
void TransportLayer::expect(const Flow& flow, base::Duration silence) {
  impl_->connections().expect(flow, silence);
}
void TransportLayer::close(const Flow& flow, std::string_view why) { impl_->connections().close(flow, why); }
std::optional<Flow> TransportLayer::response_flow(const Flow& flow, const Via& top_via) {
  return impl_->response_flow(flow, top_via);
}
void TransportLayer::respond_stateless(const Message& request, const Via& top_via, const Flow& flow,
                                       int status, std::string_view reason, bool known) {
  impl_->respond_stateless(request, top_via, flow, status, reason, known);
}
bool TransportLayer::acknowledges_stateless(const Message& ack, const Via& top_via, const Flow& flow) {
  return impl_->acknowledges_stateless(ack, top_via, flow);
}
base::Buffer TransportLayer::write_refusal(std::string_view request, const Via& top_via,
                                           const Flow& flow) const {
  return impl_->write_refusal(request, top_via, flow);
}
void TransportLayer::send_refusal(base::Buffer refusal, const Via& top_via, const Flow& flow) {
  impl_->send_refusal(std::move(refusal), top_via, flow);
}
bool TransportLayer::acknowledges_stateless(std::string_view ack, const Flow& flow) {
  return impl_->acknowledges_stateless(ack, flow);
}
SourceLimit& TransportLayer::sources() { return impl_->sources; }
std::size_t TransportLayer::received_bytes() const { return impl_->received_bytes; }
void TransportLayer::set_request_owner(RequestOwner owner) { impl_->request_owner = std::move(owner); }
void TransportLayer::set_stun_hook(StunHook hook) { impl_->stun_hook = std::move(hook); }
void TransportLayer::set_response_locator(ResponseLocator locate) {
  impl_->late_responses.set_locate(std::move(locate));
}
void TransportLayer::set_trace(TraceHook trace) { impl_->trace = std::move(trace); }
bool TransportLayer::is_local(std::string_view host, std::uint16_t port) const {
  return impl_->names().is_local(host, port);
}
std::size_t TransportLayer::connections() const { return impl_->connections().count(); }
std::uint64_t TransportLayer::lock_waits() const { return impl_->lock_waits(); }

std::vector<net::Endpoint> TransportLayer::locals() const {
  std::vector<net::Endpoint> all;
  for (const auto& port : impl_->udp) all.push_back({net::Transport::udp, port->socket->local()});
  for (const auto& port : impl_->streams)
    if (!port.member) all.push_back({port.transport, port.listener->local()});
  return all;
}

std::vector<net::Address> TransportLayer::member_locals() const {
  std::vector<net::Address> all;
  for (const auto& port : impl_->streams)
    if (port.member) all.push_back(port.listener->local());
  return all;
}

}  // namespace causeway::sip
