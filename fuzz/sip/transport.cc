// Datagrams and a stream of strange bytes against transport and transactions, with a core that answers
// everything and forwards it too. Input: pieces, each with two bytes of head (which way, how long it waits).
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/sim_loop.h"
#include "net/sim_network.h"
#include "sip/rewrite.h"
#include "sip/transaction.h"

using namespace causeway;

namespace {

class Core final : public sip::ServerUser, public sip::ClientUser {
 public:
  explicit Core(sip::TransactionLayer& layer, sip::TransportLayer& transport)
      : layer_(layer), transport_(transport) {}
  void on_request(sip::ServerTransaction& transaction, const sip::Message& request,
                  const sip::Flow&) override {
    ++servers;
    if (transaction.context) abort();
    transaction.context = this;
    const int status = statuses_[next_++ % std::size(statuses_)];
    layer_.respond(transaction, status, sip::make_response(request, status, "", "core"));
    const auto flow =
        transport_.flow_to({{net::Transport::udp, {*net::Ip::parse("10.0.0.9"), 5060}}, "", false});
    auto& client = layer_.open_client(request.method(), request.method_text(), *flow, *this);
    ++clients;
    layer_.start(client, base::Buffer::copy_of(request.bytes()));
    if (next_ % 3 == 0) layer_.cancel(client);
  }
  void on_ack(const sip::Message&, const sip::Flow&) override {}
  void on_cancel(sip::ServerTransaction& invite, const sip::Message&) override {
    if (invite.is_final() || invite.context != this) abort();
  }
  void on_stray_response(const sip::Message&, const sip::Flow&) override {}
  void on_gone(sip::ServerTransaction&) override { --servers; }
  void on_response(sip::ClientTransaction&, const sip::Message&) override {}
  void on_failure(sip::ClientTransaction&, sip::ClientFailure) override {}
  void on_gone(sip::ClientTransaction&) override { --clients; }
  long servers = 0, clients = 0;

 private:
  static constexpr int statuses_[] = {180, 200, 404, 100, 408, 600, 200};
  sip::TransactionLayer& layer_;
  sip::TransportLayer& transport_;
  unsigned next_ = 0;
};

struct Nobody final : net::UdpHandler, net::StreamHandler {
  void on_datagrams(std::span<net::Datagram>) override {}
  void on_bytes(std::span<const char>) override {}
  void on_closed(const net::StreamClosed&) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::SimLoop loop;
  base::Random random(1);
  base::Metrics metrics;
  net::SimNetwork world(loop, random);
  const auto here = *net::Ip::parse("192.0.2.1");
  auto network = world.host(here);
  auto phone = world.host(*net::Ip::parse("10.0.0.7"));
  sip::TransportLayer transport(loop, *network, metrics);
  sip::TransactionLayer layer(loop, transport, random, metrics);
  Core core(layer, transport);
  transport.set_handler(layer);
  layer.set_core(core);
  const net::Address sip_port{here, 5060};
  if (!transport.open({.locals = {{net::Transport::udp, sip_port, ""}, {net::Transport::tcp, sip_port, ""}}}))
    abort();
  Nobody nobody;
  auto socket = phone->open_udp({*net::Ip::parse("10.0.0.7"), 5060}, nobody);
  auto stream = phone->connect(sip_port, {}, nobody);
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>(size - 2, (data[0] & 0x7f) * 16u + data[1] / 16u);
    const auto piece = base::Buffer::copy_of({reinterpret_cast<const char*>(data + 2), length});
    if (data[0] & 0x80)
      stream->send(piece);
    else
      (*socket)->send(sip_port, piece);
    loop.run_for(base::Duration((data[1] & 15) * 50));
    data += 2 + length;
    size -= 2 + length;
  }
  loop.run_for(std::chrono::minutes(4));  // an INVITE that rings for ever is the core's to end
  if (core.servers < 0 || static_cast<std::size_t>(core.servers) != layer.server_count()) abort();
  if (core.clients != 0 || layer.client_count() != 0) abort();
  return 0;
}
