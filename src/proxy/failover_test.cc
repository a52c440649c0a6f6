// Peers that die, proxies that cannot be reached, servers that do not answer.
#include "proxy/world_test.h"

#include "sip/rewrite.h"

namespace causeway::proxy::testing {
namespace {

using Failover = ProxyTest;

TEST_F(Failover, ADeadServerOfAnotherDomainCostsOnePatience) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  world.zone.hosts["example.com"] = {"192.0.2.200", carol.address.ip.text()};
  alice.invite("sip:carol@example.com");
  EXPECT_TRUE(carol.wait("INVITE", 4s).empty());
  auto in = carol.wait("INVITE", 2s);
  ASSERT_FALSE(in.empty());
  EXPECT_EQ(p.count("proxy_failovers_total"), 1u);
  carol.answer(in, 200);
  EXPECT_FALSE(alice.wait("SIP/2.0 200").empty());
  world.run(40s);  // the dead branch ends without a word
  EXPECT_TRUE(alice.wait("SIP/2.0 4", 0s).empty());
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
}

TEST_F(Failover, ARefusedPortAnd503AreFollowedAtOnce) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& full = world.outsider("sip:full@example.org", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto closed = world.net.host(*net::Ip::parse("192.0.2.201"));  // a host where nobody listens
  world.zone.hosts["example.com"] = {"192.0.2.201", full.address.ip.text(), carol.address.ip.text()};
  alice.invite("sip:carol@example.com");
  auto first = full.wait("INVITE", 200ms);
  ASSERT_FALSE(first.empty());
  full.answer(first, 503);
  auto second = carol.wait("INVITE", 200ms);
  ASSERT_FALSE(second.empty());
  carol.answer(second, 486);
  EXPECT_FALSE(alice.wait("SIP/2.0 486").empty());
  EXPECT_EQ(p.count("proxy_failovers_total"), 2u);
}

// A server that takes TCP only, at an address of its own.
struct TcpServer final : net::StreamHandler {
  TcpServer(net::SimNetwork& world, const char* ip) : network(world.host(*net::Ip::parse(ip))) {
    listener = std::move(*network->listen({*net::Ip::parse(ip), 5060}, nullptr, [this](auto accepted) {
      stream = std::move(accepted);
      stream->set_handler(*this);
    }));
  }
  void on_bytes(std::span<const char> bytes) override { received.append(bytes.data(), bytes.size()); }
  void on_closed(const net::StreamClosed&) override { stream.reset(); }
  std::string received;
  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<net::Listener> listener;
};

// RFC 3261 18.1.1.
TEST_F(Failover, ALargeRequestGoesOverTcpIfTheDnsOffersIt) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  TcpServer server(world.net, "192.0.2.202");
  world.zone.services["_sip._udp.example.com"] = {{1, 1, carol.address.port, "udp.example.com"}};
  world.zone.services["_sip._tcp.example.com"] = {{1, 1, 5060, "tcp.example.com"}};
  world.zone.hosts["udp.example.com"] = {carol.address.ip.text()};
  world.zone.hosts["tcp.example.com"] = {"192.0.2.202"};
  alice.invite("sip:carol@example.com");
  auto small = carol.wait("INVITE", 500ms);
  ASSERT_FALSE(small.empty());
  carol.answer(small, 486);
  EXPECT_EQ(server.received, "");

  const std::string padding = "Subject: " + std::string(1200, 'x') + "\r\n";
  auto& bob = world.phone("bob", p);
  bob.invite("sip:carol@example.com", padding);
  EXPECT_TRUE(carol.wait("INVITE", 500ms).empty());
  EXPECT_TRUE(server.received.starts_with("INVITE sip:carol@example.com SIP/2.0\r\nVia: SIP/2.0/TCP "))
      << server.received;

  world.zone.services.erase("_sip._tcp.example.com");
  auto& eve = world.phone("eve", p);
  eve.invite("sip:carol@example.com", padding);
  EXPECT_FALSE(carol.wait("INVITE", 500ms).empty());
}

TEST_F(Failover, NothingThereAtAll) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  alice.invite("sip:carol@nowhere.example");
  auto back = alice.wait("SIP/2.0 5");
  EXPECT_TRUE(is(back, "SIP/2.0 500 ")) << back;
}

TEST_F(Failover, TheDnsMayBeSlow) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  world.zone.later = &world.loop;
  auto c = call(alice, carol, "sip:carol@example.com");
  EXPECT_TRUE(bye(alice, c.caller, carol));
}

TEST_F(Failover, NoProxyPeerAtAll) {
  auto& home = world.peer();
  world.peer();
  auto& alice = world.phone("alice", home);
  alice.invite("sip:carol@example.com");
  auto back = alice.wait("SIP/2.0 5", 5s);
  EXPECT_TRUE(is(back, "SIP/2.0 503 No proxy peer")) << back;
}

TEST_F(Failover, TheNextProxyPeerIsTried) {
  auto& home = world.peer();
  auto& one = world.peer({.proxy = true});
  auto& two = world.peer({.proxy = true});
  auto& three = world.peer({.proxy = true});
  auto& alice = world.phone("alice", home);
  auto& carol = world.outsider("sip:carol@example.com", three);
  one.kill();
  two.kill();
  for (int i = 0; i < 4; ++i) {
    alice.invite("sip:carol@example.com");
    auto in = carol.wait("INVITE", 15s);
    ASSERT_FALSE(in.empty());
    carol.answer(in, 486);
    EXPECT_FALSE(alice.wait("SIP/2.0 486").empty());
  }
  // Each of the dead is remembered: at most one try each.
  EXPECT_LE(home.count("proxy_failovers_total"), 2u);
}

// draft 5: the phone registers again elsewhere; who asks finds it there, also within a dialogue.
TEST_F(Failover, HomePeerDiesAndThePhoneRegistersElsewhere) {
  auto& home = world.peer();
  auto& next = world.peer();
  auto& p3 = world.peer();
  auto& alice = world.phone("alice", home);
  auto& bob = world.phone("bob", p3);
  auto c = call(bob, alice, "sip:alice@p2psip.org");
  home.kill();
  alice.server = next.address();
  ASSERT_TRUE(alice.enroll());
  world.run(100ms);
  EXPECT_TRUE(bye(bob, c.caller, alice));
  auto again = call(bob, alice, "sip:alice@p2psip.org");
  EXPECT_TRUE(again.up);
  EXPECT_TRUE(values(again.invite_in, "Record-Route")[0].starts_with("<" + next.flow_prefix()));
  EXPECT_TRUE(bye(alice, again.callee, bob));
}

// While the record of the dead peer is still the newest, a call notices and finds the new one as soon as
// it is there.
TEST_F(Failover, ADeadHomeIsNoticedDuringTheCall) {
  auto& home = world.peer();
  auto& next = world.peer();
  auto& p3 = world.peer();
  auto& alice = world.phone("alice", home);
  auto& bob = world.phone("bob", p3);
  home.kill();
  bob.invite("sip:alice@p2psip.org");
  world.run(2s);
  alice.server = next.address();
  ASSERT_TRUE(alice.enroll());
  auto in = alice.wait("INVITE", 10s);
  ASSERT_FALSE(in.empty());
  EXPECT_EQ(p3.count("proxy_found_again_total"), 1u);
  alice.answer(in, 200);
  EXPECT_FALSE(bob.wait("SIP/2.0 200").empty());
}

TEST_F(Failover, ADeadHomeAndNowhereElseIs480) {
  auto& home = world.peer();
  auto& p3 = world.peer();
  world.phone("alice", home);
  auto& bob = world.phone("bob", p3);
  home.kill();
  bob.invite("sip:alice@p2psip.org");
  auto back = bob.wait("SIP/2.0 4", 40s);
  EXPECT_TRUE(is(back, "SIP/2.0 480 ")) << back;
  world.run(40s);
  EXPECT_EQ(p3.proxy().calls_in_setup(), 0u);
}

// The last resort: a dialogue's request goes to the address at which the phone was.
TEST_F(Failover, InADialogueThePhoneIsReachedWithoutItsPeer) {
  auto& home = world.peer();
  auto& p3 = world.peer();
  auto& alice = world.phone("alice", home);
  auto& bob = world.phone("bob", p3);
  auto c = call(bob, alice, "sip:alice@p2psip.org");
  home.stop();
  EXPECT_TRUE(bye(bob, c.caller, alice));
}

// Binding gone at its peer: the same user and instance wherever registered now.
TEST_F(Failover, ThePhoneHasMovedWhileItsOldPeerLives) {
  auto& home = world.peer();
  auto& next = world.peer();
  auto& border = world.peer({.proxy = true});
  auto& alice = world.phone("alice", home);
  auto& carol = world.outsider("sip:carol@example.com", border);
  auto c = call(carol, alice, "sip:alice@p2psip.org");
  ASSERT_TRUE(alice.enroll(0));
  alice.server = next.address();
  ASSERT_TRUE(alice.enroll());
  world.run(100ms);
  EXPECT_TRUE(bye(carol, c.caller, alice));
  // It went by the new peer, not to the old address as a last resort.
  EXPECT_EQ(next.count("proxy_forwarded_total"), 1u);
}

TEST_F(Failover, AnUnregisteredPhoneStillEndsItsCall) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto c = call(carol, alice, "sip:alice@p2psip.org");
  ASSERT_TRUE(alice.enroll(0));
  EXPECT_TRUE(bye(carol, c.caller, alice));
}

TEST_F(Failover, AClosedStreamOfThePhoneIs480) {
  auto& p = world.peer({.proxy = true, .tcp = true});
  world.peer();
  auto& alice = world.phone_of("alice", p);
  alice.use_tcp();
  ASSERT_TRUE(alice.enroll(3600, ";ob"));
  auto& carol = world.outsider("sip:carol@example.com", p);
  alice.hang_up_stream();
  world.run(100ms);
  carol.invite("sip:alice@p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 480", 5s).empty());
}

TEST_F(Failover, PeersAreReachedByName) {
  auto& p1 = world.peer();
  auto& p2 = world.peer();
  auto& carol = world.outsider("sip:carol@example.com", p1);
  carol.ask({.method = "OPTIONS", .uri = "sip:_" + p2.id().text() + "@p2psip.org"});
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  p2.stop();
  carol.ask({.method = "OPTIONS", .uri = "sip:_" + p2.id().text() + "@p2psip.org"});
  EXPECT_FALSE(carol.wait("SIP/2.0 480", 10s).empty());
}

}  // namespace
}  // namespace causeway::proxy::testing
