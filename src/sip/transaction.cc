#include "sip/transaction.h"

#include "sip/admission.h"
#include "sip/client_transaction.h"
#include "sip/server_transaction.h"

namespace causeway::sip {

class TransactionLayer::Impl {
 public:
  Impl(base::Loop& loop, TransportLayer& transport_layer, base::Random& random, base::Metrics& metrics,
       unsigned worker)
      : transport(transport_layer),
        servers(loop, transport_layer, admission, random, metrics),
        admission(loop, transport_layer, servers, metrics),
        clients(loop, transport_layer, random, metrics, worker),
        stray(metrics.counter("sip_stray_responses_total", "responses that match no client transaction")),
        early(metrics.counter("sip_messages_before_start_total", "messages dropped: no core yet")) {}

  TransportLayer& transport;
  ServerUser* core = nullptr;
  ServerTransactions servers;
  Admission admission;
  ClientTransactions clients;
  base::Counter& stray;
  base::Counter& early;
};

TransactionLayer::TransactionLayer(base::Loop& loop, TransportLayer& transport, base::Random& random,
                                   base::Metrics& metrics, unsigned worker)
    : impl_(std::make_unique<Impl>(loop, transport, random, metrics, worker)) {}

TransactionLayer::~TransactionLayer() = default;

void TransactionLayer::set_core(ServerUser& core) {
  impl_->core = &core;
  impl_->servers.set_core(core);
  impl_->admission.set_core(core);
}

void TransactionLayer::set_overload(const OverloadConfig& config) {
  impl_->admission.configure(config);
  impl_->servers.set_most(config.max_transactions);
}
OverloadState TransactionLayer::overload() const { return impl_->admission.state(); }

void TransactionLayer::respond(ServerTransaction& transaction, int status, base::Buffer response) {
  impl_->servers.respond(transaction, status, std::move(response));
}

void TransactionLayer::answer(ServerTransaction& transaction, const Message& request, int status,
                              std::string_view reason, std::string_view to_tag,
                              std::span<const ExtraHeader> extra) {
  impl_->servers.answer(transaction, request, status, reason, to_tag, extra);
}

void TransactionLayer::proven(const Flow& flow) {
  if (SourceLimit::can_be_forged(flow.transport, flow.remote.ip))
    impl_->transport.sources().arrived(flow.remote.ip);
}

ClientTransaction& TransactionLayer::open_client(Method method, std::string_view, const Flow& flow,
                                                 ClientUser& user, std::uint32_t loop_hash) {
  return impl_->clients.open(method, flow, user, loop_hash);
}

void TransactionLayer::start(ClientTransaction& transaction, base::Buffer request) {
  impl_->clients.start(transaction, std::move(request));
}

void TransactionLayer::discard(ClientTransaction& transaction) { impl_->clients.discard(transaction); }

void TransactionLayer::cancel(ClientTransaction& transaction) { impl_->clients.cancel(transaction); }

std::optional<std::uint32_t> TransactionLayer::loop_hash_of(std::string_view branch) {
  auto read = read_branch(branch);
  if (!read) return std::nullopt;
  return read->loop_hash;
}

std::size_t TransactionLayer::server_count() const { return impl_->servers.count(); }
std::size_t TransactionLayer::client_count() const { return impl_->clients.count(); }

void TransactionLayer::respond_stateless(const Message& request, const Via& top_via, const Flow& flow,
                                         int status, std::string_view reason) {
  impl_->transport.respond_stateless(request, top_via, flow, status, reason);
}

bool TransactionLayer::on_arrival(std::string_view bytes, const Flow& flow) {
  return impl_->admission.on_arrival(bytes, flow);
}

void TransactionLayer::on_message(const Message& message, const Via& top_via, const Flow& flow) {
  if (!impl_->core) {
    ++impl_->early;
    return;
  }
  if (message.is_request()) return impl_->servers.on_request(message, top_via, flow);
  if (impl_->clients.on_response(message, top_via)) return;
  ++impl_->stray;
  if (message.method() == Method::invite && message.status() / 100 == 2)
    impl_->core->on_stray_response(message, flow);
}

void TransactionLayer::on_flow_closed(const Flow& flow, std::string_view) {
  impl_->clients.on_flow_closed(flow);
  if (impl_->core) impl_->core->on_flow_closed(flow);
}

void TransactionLayer::on_unreachable(const net::Address& to) { impl_->clients.on_unreachable(to); }

}  // namespace causeway::sip
