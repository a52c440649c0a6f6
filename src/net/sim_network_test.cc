#include "net/sim_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "base/limits.h"
#include "base/sim_loop.h"
#include "net/tls.h"

namespace causeway::net {
namespace {

using namespace std::chrono_literals;

Ip ip(std::string_view text) { return *Ip::parse(text); }
Address at(std::string_view text) { return *Address::parse(text); }
base::Buffer bytes(std::string_view text) { return base::Buffer::copy_of(text); }

struct Receiver final : UdpHandler {
  void on_datagrams(std::span<Datagram> batch) override {
    for (Datagram& d : batch) {
      got.emplace_back(d.from.text() + ' ' + std::string(d.bytes.data(), d.bytes.size()));
      for (char& c : d.bytes) c = '#';  // allowed
    }
  }
  void on_unreachable(const Address& to) override { unreachable.push_back(to.text()); }
  std::vector<std::string> got;
  std::vector<std::string> unreachable;
};

struct Talker final : StreamHandler {
  void on_connected() override { connected = true; }
  void on_bytes(std::span<const char> b) override { text.append(b.data(), b.size()); }
  void on_closed(const StreamClosed& why) override { closed = why; }
  bool connected = false;
  std::string text;
  std::optional<StreamClosed> closed;
};

struct World : testing::Test {
  base::SimLoop loop;
  base::Random random{7};
  SimNetwork world{loop, random};
  std::unique_ptr<Network> a = world.host(ip("10.0.0.1"), {.member_name = "a.peers.example.org"});
  std::unique_ptr<Network> b =
      world.host(ip("10.0.0.2"),
                 {.member_name = "b.peers.example.org", .public_names = {"sip.example.org", "example.org"}});
  Receiver at_a, at_b;
};

struct SimUdp : World {
  std::unique_ptr<UdpSocket> from = *a->open_udp(at("0.0.0.0:5060"), at_a);
  std::unique_ptr<UdpSocket> to = *b->open_udp(at("10.0.0.2:5060"), at_b);
};

TEST_F(SimUdp, DatagramsTakeTheDelay) {
  EXPECT_EQ(from->local(), at("10.0.0.1:5060"));
  const base::Buffer kept = bytes("hello");
  from->send(to->local(), kept);
  loop.run_for(9ms);
  EXPECT_TRUE(at_b.got.empty());
  loop.run_for(1ms);
  EXPECT_EQ(at_b.got, std::vector<std::string>{"10.0.0.1:5060 hello"});
  EXPECT_EQ(kept.view(), "hello");  // the receiver wrote into a copy
}

TEST_F(SimUdp, DelayIsDrawnPerPacketAndReorders) {
  world.set_delay(10ms, 30ms);
  for (char c = 'a'; c < 'k'; ++c) from->send(to->local(), bytes(std::string(1, c)));
  loop.run_for(30ms);
  ASSERT_EQ(at_b.got.size(), 10u);
  EXPECT_FALSE(std::ranges::is_sorted(at_b.got));
}

TEST_F(SimUdp, SameSeedSameRun) {
  const auto play = [] {
    base::SimLoop own_loop;
    base::Random own_random(99);
    SimNetwork own(own_loop, own_random);
    own.set_delay(5ms, 50ms);
    own.set_loss(0.3);
    Receiver r;
    const auto net = own.host(ip("10.0.0.1"));
    const auto socket = *net->open_udp(at("10.0.0.1:1"), r);
    for (int i = 0; i < 50; ++i) socket->send(socket->local(), bytes(std::to_string(i)));
    own_loop.run_for(1s);
    return r.got;
  };
  const auto first = play();
  EXPECT_EQ(first, play());
  EXPECT_LT(first.size(), 50u);
}

TEST_F(SimUdp, LossIsAsConfigured) {
  world.set_loss(0.2);
  for (int i = 0; i < 5000; ++i) from->send(to->local(), bytes("x"));
  loop.run_for(1s);
  EXPECT_NEAR(static_cast<double>(at_b.got.size()), 4000, 200);
  EXPECT_EQ(at_b.got.size() + world.totals().lost, 5000u);
}

TEST_F(SimUdp, ClosedPortComesBackUnreachableDeadHostDoesNot) {
  from->send(at("10.0.0.2:9"), bytes("x"));
  from->send(at("10.9.9.9:5060"), bytes("x"));
  loop.run_for(1s);
  EXPECT_EQ(at_a.unreachable, std::vector<std::string>{"10.0.0.2:9"});
  world.kill(ip("10.0.0.2"));
  from->send(at("10.0.0.2:9"), bytes("x"));
  loop.run_for(1s);
  EXPECT_EQ(at_a.unreachable.size(), 1u);
  EXPECT_EQ(world.totals().vanished, 2u);
}

TEST_F(SimUdp, KillIsMidSentenceAndReviveEndsIt) {
  from->send(to->local(), bytes("in the air"));
  world.kill(ip("10.0.0.2"));
  to->send(from->local(), bytes("from the grave"));
  loop.run_for(1s);
  EXPECT_TRUE(at_b.got.empty());
  EXPECT_TRUE(at_a.got.empty());
  world.revive(ip("10.0.0.2"));
  from->send(to->local(), bytes("again"));
  loop.run_for(1s);
  EXPECT_EQ(at_b.got.size(), 1u);
}

TEST_F(SimUdp, CutSeparatesTwoAndNoOthers) {
  Receiver at_c;
  const auto c = world.host(ip("10.0.0.3"));
  const auto third = *c->open_udp(at("0.0.0.0:5060"), at_c);
  world.cut(ip("10.0.0.2"), ip("10.0.0.1"));
  from->send(to->local(), bytes("x"));
  to->send(from->local(), bytes("x"));
  third->send(from->local(), bytes("x"));
  third->send(to->local(), bytes("x"));
  loop.run_for(1s);
  EXPECT_EQ(at_a.got.size(), 1u);
  EXPECT_EQ(at_b.got.size(), 1u);
  world.heal(ip("10.0.0.1"), ip("10.0.0.2"));
  from->send(to->local(), bytes("x"));
  loop.run_for(1s);
  EXPECT_EQ(at_b.got.size(), 2u);
}

TEST_F(SimUdp, TheHandlerMayDestroyItsSocket) {
  struct Suicidal final : UdpHandler {
    void on_datagrams(std::span<Datagram>) override { socket.reset(); }
    std::unique_ptr<UdpSocket> socket;
  };
  Suicidal suicidal;
  suicidal.socket = *b->open_udp(at("0.0.0.0:7"), suicidal);
  from->send(at("10.0.0.2:7"), bytes("x"));
  from->send(at("10.0.0.2:7"), bytes("y"));
  loop.run_for(1s);
  EXPECT_EQ(suicidal.socket, nullptr);
  EXPECT_EQ(at_a.unreachable.size(), 1u);
}

TEST_F(SimUdp, BindErrorsAreThoseOfAKernel) {
  EXPECT_NE(b->open_udp(at("0.0.0.0:5060"), at_b).error().message.find("address in use"), std::string::npos);
  EXPECT_NE(b->open_udp(at("10.0.0.1:5061"), at_b).error().message.find("no such address"),
            std::string::npos);
  EXPECT_FALSE(b->open_udp(at("[::]:5061"), at_b));
  const auto one = *b->open_udp(at("0.0.0.0:0"), at_b);
  const auto two = *b->open_udp(at("0.0.0.0:0"), at_b);
  EXPECT_NE(one->local().port, two->local().port);
  EXPECT_EQ(a->source_ip_for(ip("10.0.0.2")), ip("10.0.0.1"));
}

TEST_F(SimUdp, TheTapSeesWhatLeaves) {
  std::vector<std::string> seen;
  world.on_packet([&](const SimPacket& p) {
    seen.push_back(p.from.text() + ">" + p.to.text() + ' ' + std::string(p.bytes.data(), p.bytes.size()));
  });
  world.set_loss(1);
  from->send(to->local(), bytes("lost"));
  loop.run_for(1s);
  EXPECT_TRUE(at_b.got.empty());
  EXPECT_EQ(seen, std::vector<std::string>{"10.0.0.1:5060>10.0.0.2:5060 lost"});
}

struct SimStreams : World {
  void listen(TlsContext* tls = nullptr) {
    listener = *b->listen(at("0.0.0.0:5061"), tls, [this](std::unique_ptr<Stream> s) {
      s->set_handler(served);
      server = std::move(s);
    });
  }
  void connect(TlsContext* tls = nullptr, std::string name = {}) {
    client = a->connect(at("10.0.0.2:5061"), {tls, std::move(name)}, caller);
  }
  std::string tls_failure(TlsContext* asking, TlsContext* asked, std::string name) {
    listener.reset();
    caller = {};
    listen(asked);
    connect(asking, std::move(name));
    loop.run_for(1s);
    if (!caller.closed) return {};
    EXPECT_EQ(caller.closed->reason, CloseReason::tls);
    EXPECT_FALSE(caller.connected);
    return caller.closed->text;
  }
  Talker caller, served;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client, server;
  std::unique_ptr<TlsContext> member = TlsContext::simulated(TlsContext::Kind::member);
  std::unique_ptr<TlsContext> public_server = TlsContext::simulated(TlsContext::Kind::public_server);
  std::unique_ptr<TlsContext> public_client = TlsContext::simulated(TlsContext::Kind::public_client);
};

TEST_F(SimStreams, ConnectTakesARoundTripAndBytesStayInOrder) {
  listen();
  connect();
  client->send(bytes("before "));
  loop.run_for(19ms);
  EXPECT_FALSE(caller.connected);
  loop.run_for(1ms);
  EXPECT_TRUE(caller.connected);
  world.set_delay(1ms, 40ms);
  std::string expected = "before ";
  for (int i = 0; i < 50; ++i) {
    client->send(bytes(std::to_string(i)));
    expected += std::to_string(i);
    loop.run_for(1ms);
  }
  loop.run_for(100ms);
  EXPECT_EQ(served.text, expected);
  server->send(bytes("back"));
  loop.run_for(100ms);
  EXPECT_EQ(caller.text, "back");
  EXPECT_EQ(server->remote(), client->local());
}

TEST_F(SimStreams, ClosingDeliversWhatWasSent) {
  listen();
  connect();
  loop.run_for(1s);
  client->send(bytes("last words"));
  client.reset();
  loop.run_for(1s);
  EXPECT_EQ(served.text, "last words");
  ASSERT_TRUE(served.closed);
  EXPECT_EQ(served.closed->reason, CloseReason::remote);
  EXPECT_FALSE(server->connected());
  server->send(bytes("to nobody"));
  loop.run_for(1s);
}

TEST_F(SimStreams, NobodyListens) {
  connect();
  loop.run_for(1s);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::refused);
}

TEST_F(SimStreams, DeadHostTimesOut) {
  listen();
  world.kill(ip("10.0.0.2"));
  connect();
  loop.run_for(limits::kConnectTimeout - 1ms);
  EXPECT_FALSE(caller.closed);
  loop.run_for(1ms);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::timeout);
  world.revive(ip("10.0.0.2"));
  loop.run_for(60s);
  EXPECT_EQ(server, nullptr);
}

TEST_F(SimStreams, StreamToADeadHostGoesSilentThenTimesOut) {
  listen();
  connect();
  loop.run_for(1s);
  world.kill(ip("10.0.0.2"));
  loop.run_for(300s);
  EXPECT_FALSE(caller.closed);  // idle: nobody notices
  client->send(bytes("hello?"));
  loop.run_for(limits::kPeerSilence - 1s);
  EXPECT_FALSE(caller.closed);
  EXPECT_EQ(client->queued(), 6u);
  loop.run_for(2s);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::timeout);
  EXPECT_FALSE(served.closed);
}

TEST_F(SimStreams, APartitionDelaysAndLosesNothing) {
  listen();
  connect();
  loop.run_for(1s);
  client->send(bytes("1 "));
  world.cut(ip("10.0.0.1"), ip("10.0.0.2"));
  client->send(bytes("2 "));
  loop.run_for(5s);
  client->send(bytes("3"));
  EXPECT_EQ(served.text, "");
  world.heal(ip("10.0.0.1"), ip("10.0.0.2"));
  loop.run_for(1s);
  EXPECT_EQ(served.text, "1 2 3");
  EXPECT_EQ(client->queued(), 0u);
}

TEST_F(SimStreams, TooMuchWaitingCloses) {
  listen();
  connect();
  loop.run_for(1s);
  world.cut(ip("10.0.0.1"), ip("10.0.0.2"));
  client->send(bytes("x"));
  loop.run_for(1s);
  for (int i = 0; i < 9; ++i) client->send(bytes(std::string(65536, 'x')));
  EXPECT_FALSE(caller.closed);  // never from within send
  loop.run_for(1s);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::overflow);
}

TEST_F(SimStreams, MembersProveTheirNames) {
  listen(member.get());
  connect(member.get(), "B.peers.example.org");
  loop.run_for(39ms);
  EXPECT_FALSE(caller.connected);  // two round trips
  loop.run_for(11ms);
  ASSERT_TRUE(caller.connected);
  EXPECT_EQ(client->certified_names(), std::vector<std::string>{"b.peers.example.org"});
  EXPECT_EQ(server->certified_names(), std::vector<std::string>{"a.peers.example.org"});
}

TEST_F(SimStreams, TlsIsRefusedWhereItShouldBe) {
  EXPECT_EQ(tls_failure(public_client.get(), public_server.get(), "sip.example.org"), "");
  EXPECT_NE(tls_failure(public_client.get(), public_server.get(), "evil.example.org"), "");
  EXPECT_NE(tls_failure(member.get(), member.get(), "c.peers.example.org"), "");
  EXPECT_EQ(tls_failure(member.get(), member.get(), ""), "");
  EXPECT_NE(tls_failure(public_client.get(), member.get(), "b.peers.example.org"), "");
  EXPECT_NE(tls_failure(member.get(), public_server.get(), "sip.example.org"), "");
  EXPECT_NE(tls_failure(member.get(), nullptr, ""), "");
  EXPECT_NE(tls_failure(nullptr, member.get(), ""), "");
}

TEST_F(SimStreams, AHostWithoutCertificateIsNoMember) {
  const auto outsider = world.host(ip("10.0.0.66"));
  listen(member.get());
  client = outsider->connect(at("10.0.0.2:5061"), {member.get(), "b.peers.example.org"}, caller);
  loop.run_for(1s);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::tls);
  EXPECT_EQ(server, nullptr);
}

TEST_F(SimStreams, LeavingAtAnyMomentIsClean) {
  // Every millisecond of a connection's short life, from either side, with bytes under way.
  for (const bool by_client : {true, false})
    for (int moment = 0; moment < 60; ++moment) {
      caller = {};
      served = {};
      listen();
      connect();
      client->send(bytes("x"));
      loop.run_for(base::Duration(moment));
      if (server) server->send(bytes("y"));
      (by_client ? client : server).reset();
      loop.run_for(5s);
      client.reset();
      server.reset();
      listener.reset();
      loop.run_for(5s);
    }
  loop.run();  // nothing is left that could ever happen
}

TEST_F(World, AShelteredHostIsReachedByWhomItHasSentToAndFromInside) {
  world.shelter(ip("10.0.0.2"));
  auto at_home = *b->open_udp(at("0.0.0.0:5060"), at_b), outside = *a->open_udp(at("0.0.0.0:5060"), at_a);
  outside->send(at("10.0.0.2:5060"), bytes("unasked"));
  loop.run_for(1s);
  EXPECT_TRUE(at_b.got.empty());
  at_home->send(at("10.0.0.1:5060"), bytes("hello"));
  loop.run_for(1s);
  outside->send(at("10.0.0.2:5060"), bytes("asked"));
  loop.run_for(1s);
  EXPECT_EQ(at_b.got.size(), 1u);

  std::unique_ptr<Stream> accepted;
  auto listener = *b->listen(at("0.0.0.0:7000"), nullptr, [&](auto stream) { accepted = std::move(stream); });
  Talker caller, neighbour;
  auto refused = a->connect(at("10.0.0.2:7000"), {}, caller);
  loop.run_for(10s);
  EXPECT_FALSE(caller.connected);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::timeout);
  world.let_in(ip("10.0.0.2"), ip("10.0.0.1"));
  auto taken = a->connect(at("10.0.0.2:7000"), {}, neighbour);
  loop.run_for(1s);
  EXPECT_TRUE(neighbour.connected);
}

// 200 peers that gossip: 100,000 datagrams.
TEST(SimScale, ManyHostsAreCheap) {
  base::SimLoop loop;
  base::Random random(3);
  SimNetwork world(loop, random);
  world.set_delay(20ms, 30ms);
  struct Peer final : UdpHandler {
    void on_datagrams(std::span<Datagram> batch) override {
      for (Datagram& d : batch)
        if (--left > 0) socket->send(d.from, base::Buffer::copy_of({d.bytes.data(), d.bytes.size()}));
    }
    std::unique_ptr<Network> network;
    std::unique_ptr<UdpSocket> socket;
    int left = 500;
  };
  std::vector<Peer> peers(200);
  for (std::uint32_t i = 0; i < peers.size(); ++i) {
    peers[i].network = world.host(Ip::v4(0x0a000001 + i));
    peers[i].socket = *peers[i].network->open_udp(at("0.0.0.0:4222"), peers[i]);
  }
  const std::clock_t began = std::clock();
  for (std::uint32_t i = 0; i < peers.size(); ++i)
    for (std::uint32_t k = 1; k < 9; ++k)
      peers[i].socket->send(peers[(i + k * k) % peers.size()].socket->local(), bytes(std::string(400, 'x')));
  loop.run_for(600s);
  const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  EXPECT_GT(world.totals().datagrams, 95'000u);
  EXPECT_LT(seconds, 5);  // of this process; about 0.4 without optimisation
}

}  // namespace
}  // namespace causeway::net
