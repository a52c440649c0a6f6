// A registrar with a million phones: what a registration and its refresh take, and what a binding occupies.
// One iteration is one REGISTER, from the datagram to the 200, without sockets. The overlay forgets what it
// is told: the signature of a first registration is in its time, but the record is not in its memory.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "base/large_memory.h"
#include "base/sim_loop.h"
#include "identity/authority.h"
#include "micro/nowhere.h"
#include "registrar/forgetful_overlay_for_test.h"
#include "registrar/registrar.h"

namespace causeway::registrar {
namespace {

constexpr std::size_t kPhones = 1'000'000;
constexpr std::size_t kPerMillisecond = 10;  // 10,000 registrations a second
const net::Address kPhone{*net::Ip::parse("192.0.2.17"), 5060};

struct Core final : sip::ServerUser {
  Registrar* registrar = nullptr;
  void on_request(sip::ServerTransaction& t, const sip::Message& m, const sip::Flow& f) override {
    registrar->on_register(t, m, f);
  }
  void on_ack(const sip::Message&, const sip::Flow&) override {}
  void on_cancel(sip::ServerTransaction&, const sip::Message&) override {}
  void on_stray_response(const sip::Message&, const sip::Flow&) override {}
  void on_gone(sip::ServerTransaction&) override {}
};

class Stage {
 public:
  Stage() {
    core.registrar = &registrar;
    transport.set_handler(transactions);
    transactions.set_core(core);
    (void)transport.open({.locals = {{net::Transport::udp, bench::kHere, ""}}});
  }
  // A REGISTER of this phone; without `binds` it only asks, and leaves nothing behind.
  void send(std::size_t phone, bool binds) {
    ++sent;
    std::string text = fmt::format(
        "REGISTER sip:p2psip.org SIP/2.0\r\nVia: SIP/2.0/UDP "
        "192.0.2.17:5060;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n"
        "From: <sip:user{}@p2psip.org>;tag=f\r\nTo: <sip:user{}@p2psip.org>\r\nCall-ID: {}-{}@192.0.2.17\r\n"
        "CSeq: {} REGISTER\r\n{}Content-Length: 0\r\n\r\n",
        sent, phone, phone, phone, std::string(16, 'c'), sent,
        binds ? fmt::format("Contact: <sip:user{}@192.0.2.17:5060>\r\n", phone) : "");
    net::Datagram datagram{kPhone, text};
    network.handler->on_datagrams({&datagram, 1});
    if (sent % kPerMillisecond == 0) loop.run_for(base::Duration(1));
  }
  // Heap in use once no transaction is left. Their pools stay, as full as they ever were.
  std::size_t heap() {
    loop.run_for(std::chrono::seconds(40));
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd + base::large_in_use();
  }

  base::SimLoop loop;
  bench::Nowhere network;
  base::Metrics metrics;
  base::Random random{1};
  identity::Authority authority = *identity::Authority::create("p2psip.org");
  identity::Bundle bundle =
      *authority.issue({.roles = {identity::Role::registrar}, .now = base::SimLoop::kUnixStart});
  overlay::Signer signer{bundle.key, bundle.credential};
  identity::TokenSealer tokens{bundle.network_key};
  sip::DigestVerifier digest{"p2psip.org", identity::derive_key(bundle.network_key, "digest nonces")};
  testing::ForgetfulOverlay overlay;
  overlay::Users users{loop, overlay, metrics};
  sip::TransportLayer transport{loop, network, metrics};
  sip::TransactionLayer transactions{loop, transport, random, metrics};
  Registrar registrar{{.domain = "p2psip.org", .open = true},
                      {loop, random, metrics, transactions, overlay, users, signer, tokens, digest}};
  Core core;
  std::size_t sent = 0;
};

void registrar_first(benchmark::State& state) {
  Stage stage;
  for (std::size_t i = 0; i < 40'000 * kPerMillisecond; ++i) stage.send(i, false);  // fills the pools
  const std::size_t before = stage.heap();
  std::size_t phone = 0;
  for (auto _ : state) stage.send(phone++, true);
  const std::size_t after = stage.heap();
  if (stage.registrar.bindings().size() != phone) state.SkipWithError("not all are registered");
  state.counters["bytes_per_binding"] = static_cast<double>(after - before) / static_cast<double>(phone);
}
BENCHMARK(registrar_first)->Iterations(kPhones);

void registrar_refresh(benchmark::State& state) {
  constexpr std::size_t kSome = 10'000;
  Stage stage;
  for (std::size_t i = 0; i < kSome; ++i) stage.send(i, true);
  std::size_t phone = 0;
  for (auto _ : state) stage.send(phone++ % kSome, true);
}
BENCHMARK(registrar_refresh)->Iterations(500'000);

}  // namespace
}  // namespace causeway::registrar
