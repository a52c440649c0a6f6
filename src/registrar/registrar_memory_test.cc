// What a binding occupies, with everything that is kept for it, beside the overlay's own store. The
// sanitizers bring a heap of their own, so there is nothing to measure under them.
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/large_memory.h"
#include "base/sim_loop.h"
#include "identity/authority.h"
#include "net/sim_network.h"
#include "registrar/forgetful_overlay_for_test.h"
#include "registrar/registrar.h"

namespace causeway::registrar {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr std::string_view kDomain = "p2psip.org";
const net::Address kHere{*net::Ip::parse("192.0.2.1"), 5060};
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

struct Deaf final : net::UdpHandler {
  void on_datagrams(std::span<net::Datagram>) override {}
};

class RegistrarMemory : public ::testing::Test {
 protected:
  RegistrarMemory() {
    core.registrar = &registrar;
    transport.set_handler(transactions);
    transactions.set_core(core);
    EXPECT_TRUE(transport.open({.locals = {{net::Transport::udp, kHere, ""}}}));
    world.set_delay(base::Duration(0), base::Duration(0));
  }
  // Without `binds` it only asks, and leaves nothing behind.
  void send(std::size_t phone, bool binds) {
    ++sent;
    const std::string user = fmt::format("subscriber{:07}", phone);
    const std::string contact = fmt::format(
        "Contact: "
        "<sip:{}@192.0.2.17:5060;transport=udp;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{:012x}>"
        "\";"
        "reg-id=1\r\n",
        user, phone);
    socket->send(kHere, base::Buffer::copy_of(fmt::format(
                            "REGISTER sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK{}\r\n"
                            "Max-Forwards: 70\r\nFrom: <sip:{}@{}>;tag=f\r\nTo: <sip:{}@{}>\r\n"
                            "Call-ID: {}@192.0.2.17\r\nCSeq: 1 REGISTER\r\n{}Content-Length: 0\r\n\r\n",
                            kDomain, sent, user, kDomain, user, kDomain, sent, binds ? contact : "")));
    if (sent % 100 == 0) loop.run_for(base::Duration(1));
  }
  // In use once no transaction is left. Their pools stay, as full as they ever were.
  std::size_t heap() {
    loop.run_for(std::chrono::seconds(40));
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd + base::large_in_use();
  }

  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  net::SimNetwork world{loop, random};
  std::unique_ptr<net::Network> here = world.host(kHere.ip), there = world.host(kPhone.ip);
  Deaf deaf;
  std::unique_ptr<net::UdpSocket> socket = std::move(*there->open_udp(kPhone, deaf));
  identity::Authority authority = *identity::Authority::create(std::string(kDomain));
  identity::Bundle bundle =
      *authority.issue({.roles = {identity::Role::registrar}, .now = base::SimLoop::kUnixStart});
  overlay::Signer signer{bundle.key, bundle.credential};
  identity::TokenSealer tokens{bundle.network_key};
  sip::DigestVerifier digest{std::string(kDomain), identity::derive_key(bundle.network_key, "digest nonces")};
  testing::ForgetfulOverlay overlay;
  overlay::Users users{loop, overlay, metrics};
  sip::TransportLayer transport{loop, *here, metrics};
  sip::TransactionLayer transactions{loop, transport, random, metrics};
  Registrar registrar{{.domain = std::string(kDomain), .open = true},
                      {loop, random, metrics, transactions, overlay, users, signer, tokens, digest}};
  Core core;
  std::size_t sent = 0;
};

TEST_F(RegistrarMemory, ABindingTakesLessThanSixHundredBytes) {
  constexpr std::size_t kPhones = 100'000;
  for (std::size_t i = 0; i < kPhones; ++i) send(i, false);  // fills the pools
  const std::size_t before = heap();
  for (std::size_t i = 0; i < kPhones; ++i) send(i, true);
  const std::size_t each = (heap() - before) / kPhones;
  ASSERT_EQ(registrar.bindings().size(), kPhones);
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LE(each, 600u);
}
#endif

}  // namespace
}  // namespace causeway::registrar
