// A forwarded request and its response through transport and transactions, without sockets: what the state of
// a proxy costs beside parsing and splicing. One iteration is one INVITE transaction: INVITE in, INVITE out,
// 180 in, 180 out, 200 in, 200 out; or one BYE transaction: BYE in, BYE out, 200 in, 200 out. The timers
// run: an iteration is a millisecond, so that 32,000 transactions linger, as at 1,000 calls a second.
//
// And what it costs to refuse in overload: INVITE in, 503 out, ACK in. Twice: told by the first look, and by
// the parser, which a To without brackets needs.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "base/log.h"
#include "base/sim_loop.h"
#include "micro/nowhere.h"
#include "sip/rewrite.h"
#include "sip/transaction.h"

namespace causeway::sip {
namespace {

using bench::kHere;
using bench::Nowhere;

const net::Address kCaller{*net::Ip::parse("192.0.2.17"), 5060};
const net::Address kCallee{*net::Ip::parse("192.0.2.33"), 5060};

// Forwards to the callee what comes, and back what is answered: the least that a proxy does.
class Forwarder final : public ServerUser, public ClientUser {
 public:
  Forwarder(TransactionLayer& layer, TransportLayer& transport) : layer_(layer), transport_(transport) {}
  void on_request(ServerTransaction& server, const Message& request, const Flow&) override {
    const auto flow = transport_.flow_to({{net::Transport::udp, kCallee}, {}, false});
    auto& client = layer_.open_client(request.method(), request.method_text(), *flow, *this, 1);
    client.context = &server;
    const BranchText branch = client.branch();
    char via[128];
    std::size_t size = 0;
    for (std::string_view part : {std::string_view("SIP/2.0/UDP "), transport_.sent_by(*flow),
                                  std::string_view(";branch="), branch.view()}) {
      std::memcpy(via + size, part.data(), part.size());
      size += part.size();
    }
    Rewrite edit(request);
    edit.prepend(HeaderName::via, {via, size});
    edit.replace(request.value(HeaderName::max_forwards), "69");
    layer_.start(client, edit.build());
  }
  void on_response(ClientTransaction& client, const Message& response) override {
    Rewrite edit(response);
    edit.remove_first_value(HeaderName::via);
    layer_.respond(*static_cast<ServerTransaction*>(client.context), response.status(), edit.build());
  }
  void on_ack(const Message&, const Flow&) override {}
  void on_cancel(ServerTransaction&, const Message&) override {}
  void on_stray_response(const Message&, const Flow&) override {}
  void on_gone(ServerTransaction&) override {}
  void on_failure(ClientTransaction&, ClientFailure) override {}
  void on_gone(ClientTransaction&) override {}

 private:
  TransactionLayer& layer_;
  TransportLayer& transport_;
};

std::string request_text(const std::string& method, const std::string& body) {
  return method +
         " sip:bob@p2psip.org SIP/2.0\r\n"
         "Via: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK-524287-1---00000000;rport\r\n"
         "Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.17:5060;ob>\r\n"
         "To: \"Bob\" <sip:bob@p2psip.org>\r\nFrom: \"Alice\" <sip:alice@p2psip.org>;tag=8f2a17b3\r\n"
         "Call-ID: 83120NTk4ZjI3NDk4NTA2ZmFkMWQ\r\nCSeq: 1 " +
         method + "\r\nUser-Agent: Phone/5.6.1\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class Stage {
 public:
  explicit Stage(const std::string& method)
      : transport(loop, network, metrics),
        layer(loop, transport, random, metrics),
        forwarder(layer, transport),
        request(request_text(method, method == "INVITE" ? std::string(180, 'v') : "")) {
    transport.set_handler(layer);
    layer.set_core(forwarder);
    (void)transport.open({.locals = {{net::Transport::udp, kHere, ""}}});
    branch_at = request.find("---") + 3;
  }

  void receive(const net::Address& from, std::span<char> bytes) {
    net::Datagram datagram{from, bytes};
    network.handler->on_datagrams({&datagram, 1});
  }
  // The callee's answer to what was forwarded to it.
  void answer(const Message& forwarded, int status) {
    auto response = make_response(forwarded, status, {}, "callee");
    std::memcpy(scratch, response.data(), response.size());
    receive(kCallee, {scratch, response.size()});
  }
  void next_request() {
    for (std::size_t i = 0; i < 8; ++i)
      request[branch_at + i] = static_cast<char>('a' + ((number >> (4 * i)) & 15));
    ++number;
    receive(kCaller, request);
  }
  void transaction(bool rings) {
    next_request();
    base::Buffer forwarded = network.sent;
    (void)parsed.parse(forwarded.view());
    if (rings) answer(parsed, 180);
    answer(parsed, 200);
    loop.run_for(base::Duration(1));
  }

  base::SimLoop loop;
  Nowhere network;
  base::Metrics metrics;
  base::Random random{1};
  TransportLayer transport;
  TransactionLayer layer;
  Forwarder forwarder;
  std::string request;
  std::size_t branch_at;
  std::uint32_t number = 0;
  Message parsed;
  char scratch[4096];
};

void run(benchmark::State& state, const std::string& method) {
  auto stage = std::make_unique<Stage>(method);
  for (int i = 0; i < 40'000; ++i) stage->transaction(method == "INVITE");  // until as many end as begin
  for (auto _ : state) stage->transaction(method == "INVITE");
  state.counters["lingering"] =
      static_cast<double>(stage->layer.server_count() + stage->layer.client_count());
  state.counters["buffers"] = static_cast<double>(base::Buffer::in_use());
}

// Some requests in turn, each with the ACK to its refusal.
void refuse(benchmark::State& state, std::string_view to) {
  base::log::set_level(base::log::Level::error);
  constexpr std::uint32_t kRequests = 128;
  auto stage = std::make_unique<Stage>("INVITE");
  const std::string_view bracketed = "<sip:bob@p2psip.org>";
  stage->request.replace(stage->request.find(bracketed), bracketed.size(), to);
  stage->layer.set_overload({.target = base::Duration(20)});
  stage->network.set_waited(base::Duration(50));
  for (int i = 0; i < 100; ++i) stage->transaction(true);  // until that is called an overload
  std::vector<std::string> acks;
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    stage->number = i << 8;
    stage->next_request();
    (void)stage->parsed.parse(stage->network.sent.view());
    if (stage->parsed.status() != 503) return state.SkipWithError("not refused");
    std::string ack = request_text("ACK", "");
    ack.replace(ack.find(bracketed), bracketed.size(),
                std::string(to) + ";tag=" + std::string(stage->parsed.to_tag()));
    ack.replace(ack.find("---") + 3, 8, stage->request, stage->branch_at, 8);
    acks.push_back(ack);
  }
  const auto transactions = stage->layer.server_count();
  std::uint32_t i = 0;
  for (auto _ : state) {
    stage->number = i << 8;
    stage->next_request();
    stage->receive(kCaller, acks[i]);
    if (++i == kRequests) {
      i = 0;
      stage->loop.run_for(base::Duration(1));
    }
  }
  if (stage->layer.server_count() > transactions) state.SkipWithError("not refused");
  state.counters["swallowed ACKs"] = static_cast<double>(stage->metrics.value("sip_overload_acks_total"));
}

void sip_refuse_at_first_look(benchmark::State& state) { refuse(state, "<sip:bob@p2psip.org>"); }
void sip_refuse_parsed(benchmark::State& state) { refuse(state, "sip:bob@p2psip.org"); }
BENCHMARK(sip_refuse_at_first_look);
BENCHMARK(sip_refuse_parsed);

void sip_forward_invite_transaction(benchmark::State& state) { run(state, "INVITE"); }
void sip_forward_bye_transaction(benchmark::State& state) { run(state, "BYE"); }
BENCHMARK(sip_forward_invite_transaction);
BENCHMARK(sip_forward_bye_transaction);

}  // namespace
}  // namespace causeway::sip
