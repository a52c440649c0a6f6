// Calls between phones of the domain and across its border: where requests go, and what Record-Route
// says on the way.
#include "proxy/world_test.h"

namespace causeway::proxy::testing {
namespace {

using Calls = ProxyTest;

TEST_F(Calls, BothPhonesAtOnePeer) {
  auto& p = world.peer();
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  EXPECT_TRUE(is(c.invite_in, "INVITE " + bob.contact() + " SIP/2.0"));
  // Callee's flow on top, the caller's below.
  auto rr = values(c.invite_in, "Record-Route");
  ASSERT_EQ(rr.size(), 2u) << c.invite_in;
  EXPECT_TRUE(rr[0].starts_with("<" + p.flow_prefix()));
  EXPECT_TRUE(rr[1].starts_with("<" + p.flow_prefix()));
  EXPECT_NE(rr[0], rr[1]);
  EXPECT_EQ(header(c.invite_in, "Max-Forwards"), "69");
  EXPECT_EQ(header(c.invite_in, "Proxy-Authorization"), "");
  EXPECT_TRUE(bye(alice, c.caller, bob));
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
}

TEST_F(Calls, TheCalleeHangsUp) {
  auto& p = world.peer();
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  EXPECT_TRUE(bye(bob, c.callee, alice));
}

TEST_F(Calls, TwoPeers) {
  auto& p1 = world.peer();
  auto& p2 = world.peer();
  auto& alice = world.phone("alice", p1);
  auto& bob = world.phone("bob", p2);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  EXPECT_TRUE(is(c.invite_in, "INVITE " + bob.contact() + " SIP/2.0"));
  auto rr = values(c.invite_in, "Record-Route");
  ASSERT_EQ(rr.size(), 2u) << c.invite_in;
  EXPECT_TRUE(rr[0].starts_with("<" + p2.flow_prefix()));
  EXPECT_TRUE(rr[1].starts_with("<" + p1.flow_prefix()));
  EXPECT_TRUE(bye(bob, c.callee, alice));
  auto again = call(alice, bob, "sip:bob@p2psip.org");
  EXPECT_TRUE(bye(alice, again.caller, bob));
}

TEST_F(Calls, FromOutsideWhereProxyIsHome) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto c = call(carol, alice, "sip:alice@p2psip.org");
  ASSERT_TRUE(c.up);
  auto rr = values(c.invite_in, "Record-Route");
  ASSERT_EQ(rr.size(), 2u);
  EXPECT_TRUE(rr[0].starts_with("<" + p.flow_prefix()));
  EXPECT_EQ(rr[1], "<sip:p2psip.org;lr>");
  EXPECT_TRUE(bye(carol, c.caller, alice));
  auto again = call(carol, alice, "sip:alice@p2psip.org");
  EXPECT_TRUE(bye(alice, again.callee, carol));
}

TEST_F(Calls, FromOutsideThroughAnotherPeer) {
  auto& border = world.peer({.proxy = true});
  auto& home = world.peer();
  auto& alice = world.phone("alice", home);
  auto& carol = world.outsider("sip:carol@example.com", border);
  auto c = call(carol, alice, "sip:alice@p2psip.org");
  ASSERT_TRUE(c.up);
  auto rr = values(c.invite_in, "Record-Route");
  ASSERT_EQ(rr.size(), 2u);
  EXPECT_TRUE(rr[0].starts_with("<" + home.flow_prefix()));
  EXPECT_EQ(rr[1], "<sip:p2psip.org;lr>");
  EXPECT_TRUE(bye(carol, c.caller, alice));
  auto again = call(carol, alice, "sip:alice@p2psip.org");
  EXPECT_TRUE(bye(alice, again.callee, carol));
}

TEST_F(Calls, AnotherProxyTakesOverInMidDialogue) {
  auto& border = world.peer({.proxy = true});
  auto& other = world.peer({.proxy = true});
  auto& home = world.peer();
  auto& alice = world.phone("alice", home);
  auto& carol = world.outsider("sip:carol@example.com", border);
  auto c = call(carol, alice, "sip:alice@p2psip.org");
  border.kill();
  carol.server = other.address();
  EXPECT_TRUE(bye(carol, c.caller, alice));
  // And the other way: alice's peer finds a proxy that lives.
  auto again = call(carol, alice, "sip:alice@p2psip.org");
  EXPECT_TRUE(bye(alice, again.callee, carol));
}

TEST_F(Calls, OutwardWhereProxyIsHome) {
  auto& p = world.peer({.proxy = true});
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto c = call(alice, carol, "sip:carol@example.com");
  ASSERT_TRUE(c.up);
  auto rr = values(c.invite_in, "Record-Route");
  ASSERT_EQ(rr.size(), 2u);
  EXPECT_EQ(rr[0], "<sip:p2psip.org;lr>");
  EXPECT_TRUE(rr[1].starts_with("<" + p.flow_prefix()));
  EXPECT_TRUE(bye(alice, c.caller, carol));
  auto again = call(alice, carol, "sip:carol@example.com");
  EXPECT_TRUE(bye(carol, again.callee, alice));
}

TEST_F(Calls, OutwardThroughAProxyPeer) {
  auto& home = world.peer();
  auto& border = world.peer({.proxy = true});
  auto& alice = world.phone("alice", home);
  auto& carol = world.outsider("sip:carol@example.com", border);
  auto c = call(alice, carol, "sip:carol@example.com");
  ASSERT_TRUE(c.up);
  auto rr = values(c.invite_in, "Record-Route");
  ASSERT_EQ(rr.size(), 2u);
  EXPECT_EQ(rr[0], "<sip:p2psip.org;lr>");
  EXPECT_TRUE(rr[1].starts_with("<" + home.flow_prefix()));
  EXPECT_EQ(header(c.invite_in, "Proxy-Authorization"), "");
  EXPECT_TRUE(bye(alice, c.caller, carol));
  auto again = call(alice, carol, "sip:carol@example.com");
  EXPECT_TRUE(bye(carol, again.callee, alice));
}

// A phone resolves the Route sip:_P.T@D by the DNS of D, so its requests in a dialogue reach any
// proxy peer.
TEST_F(Calls, APhoneSendsInDialogueRequestsToAnyProxyPeer) {
  auto& home = world.peer();
  auto& p2 = world.peer();
  auto& any = world.peer({.proxy = true});
  auto& alice = world.phone("alice", home);
  auto& bob = world.phone("bob", p2);
  auto& carol = world.outsider("sip:carol@example.com", any);
  auto inside = call(alice, bob, "sip:bob@p2psip.org");
  alice.server = any.address();
  EXPECT_TRUE(bye(alice, inside.caller, bob));
  alice.server = home.address();
  auto outside = call(alice, carol, "sip:carol@example.com");
  alice.server = any.address();
  EXPECT_TRUE(bye(alice, outside.caller, carol));
}

TEST_F(Calls, OverTcpNoDigestIsAskedForAgain) {
  auto& p = world.peer({.proxy = true, .tcp = true});
  auto& alice = world.phone_of("alice", p);
  alice.use_tcp();
  ASSERT_TRUE(alice.enroll());
  auto& bob = world.phone("bob", p);
  const auto challenged = p.count("proxy_challenged_total");
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  EXPECT_EQ(p.count("proxy_challenged_total"), challenged);
  EXPECT_TRUE(bye(bob, c.callee, alice));
  auto back = call(bob, alice, "sip:alice@p2psip.org");
  EXPECT_TRUE(bye(alice, back.callee, bob));
}

// Where it is to send within the dialogue: over UDP it may reach nobody.
TEST_F(Calls, ThePhonesOwnRouteNamesItsTransport) {
  auto& p = world.peer({.proxy = true, .tcp = true});
  auto& alice = world.phone_of("alice", p);
  alice.use_tcp();
  ASSERT_TRUE(alice.enroll());
  auto& bob = world.phone("bob", p);
  constexpr std::string_view kOverTcp = "@p2psip.org;transport=tcp;lr>", kOverUdp = "@p2psip.org;lr>";
  auto out = values(call(alice, bob, "sip:bob@p2psip.org").invite_in, "Record-Route");
  ASSERT_EQ(out.size(), 2u);
  EXPECT_TRUE(out[0].ends_with(kOverUdp)) << out[0];
  EXPECT_TRUE(out[1].ends_with(kOverTcp)) << out[1];
  auto in = values(call(bob, alice, "sip:alice@p2psip.org").invite_in, "Record-Route");
  ASSERT_EQ(in.size(), 2u);
  EXPECT_TRUE(in[0].ends_with(kOverTcp)) << in[0];
  EXPECT_TRUE(in[1].ends_with(kOverUdp)) << in[1];
}

TEST_F(Calls, KnownButNotRegisteredAndUnknown) {
  auto& p = world.peer({.proxy = true});
  world.peer();
  auto& carol = world.outsider("sip:carol@example.com", p);
  carol.invite("sip:alice@p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 480", 5s).empty());
  carol.invite("sip:nobody@p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 404", 5s).empty());
  carol.invite("sip:_nonsense@p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 404", 5s).empty());
}

TEST_F(Calls, TheDomainItselfAnswersOptions) {
  auto& p = world.peer();
  auto& carol = world.outsider("sip:carol@example.com", p);
  for (std::string uri : {"sip:p2psip.org", "sip:10.0.0.1:5060"}) {
    carol.send(carol.write({.method = "OPTIONS", .uri = uri}));
    auto ok = carol.wait("SIP/2.0 200");
    EXPECT_NE(header(ok, "Allow").find("REGISTER"), std::string::npos) << ok;
    EXPECT_EQ(header(ok, "Accept"), "application/sdp");
  }
  carol.invite("sip:p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 405").empty());
}

}  // namespace
}  // namespace causeway::proxy::testing
