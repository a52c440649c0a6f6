// What lingers, by the heap. The sanitizers bring a heap of their own, so there is nothing to measure under
// them.
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/large_memory.h"
#include "base/sim_loop.h"
#include "net/sim_network.h"
#include "sip/rewrite.h"
#include "sip/transaction.h"

namespace causeway::sip {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
class Answering final : public ServerUser {
 public:
  explicit Answering(TransactionLayer& layer) : layer_(layer) {}
  void on_request(ServerTransaction& transaction, const Message& request, const Flow&) override {
    const ExtraHeader extra{"Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, REFER, NOTIFY, INFO, UPDATE"};
    layer_.respond(transaction, 200, make_response(request, 200, {}, "a-tag-of-usual-length", {&extra, 1}));
  }
  void on_ack(const Message&, const Flow&) override {}
  void on_cancel(ServerTransaction&, const Message&) override {}
  void on_stray_response(const Message&, const Flow&) override {}
  void on_gone(ServerTransaction&) override {}

 private:
  TransactionLayer& layer_;
};

struct Deaf final : net::UdpHandler {
  void on_datagrams(std::span<net::Datagram>) override {}
};

std::size_t heap() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd + base::large_in_use();
}

TEST(TransactionMemory, ALingeringTransactionTakesLessThanAKilobyte) {
  constexpr std::size_t kMany = 30'000;
  base::SimLoop loop;
  base::Random random(1);
  base::Metrics metrics;
  net::SimNetwork world(loop, random);
  world.set_delay(base::Duration(0), base::Duration(0));
  auto here = world.host(*net::Ip::parse("192.0.2.1")), there = world.host(*net::Ip::parse("192.0.2.2"));
  TransportLayer transport(loop, *here, metrics);
  TransactionLayer layer(loop, transport, random, metrics);
  Answering core(layer);
  transport.set_handler(layer);
  layer.set_core(core);
  const auto server = *net::Address::parse("192.0.2.1:5060");
  ASSERT_TRUE(transport.open({.locals = {{net::Transport::udp, server, ""}}}));
  Deaf deaf;
  auto phone = there->open_udp(*net::Address::parse("192.0.2.2:5060"), deaf);
  ASSERT_TRUE(phone);

  std::size_t sent = 0;
  const auto send = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      (*phone)->send(server,
                     base::Buffer::copy_of(fmt::format(
                         "OPTIONS sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;"
                         "branch=z9hG4bK-524287-1---{:016x};rport\r\nMax-Forwards: 70\r\n"
                         "From: \"Alice\" <sip:alice@example.org>;tag=8f2a17b3\r\nTo: <sip:example.org>\r\n"
                         "Call-ID: 83120NTk4ZjI3NDk4NTA2ZmFkMWQ\r\nCSeq: 1 OPTIONS\r\n"
                         "Content-Length: 0\r\n\r\n",
                         ++sent)));
      if (sent % 100 == 0) loop.run_for(base::Duration(1));
    }
  };
  send(1000);
  const std::size_t before = heap();
  send(kMany);
  ASSERT_EQ(layer.server_count(), sent);
  const std::size_t each = (heap() - before) / kMany;
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LT(each, 1000u);
}
#endif

}  // namespace
}  // namespace causeway::sip
