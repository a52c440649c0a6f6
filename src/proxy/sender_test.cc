// Who may send what: members, own phones and outsiders.
#include "proxy/world_test.h"

#include "sip/rewrite.h"

namespace causeway::proxy::testing {
namespace {

class Senders : public ProxyTest {
 protected:
  Peer& p = world.peer({.proxy = true});
};

TEST_F(Senders, NeverAnOpenRelay) {
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto& dave = world.outsider("sip:dave@example.org", p);
  carol.invite("sip:dave@example.org");
  EXPECT_TRUE(is(carol.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  carol.ask({.method = "MESSAGE", .uri = "sip:dave@" + dave.address.text()});
  EXPECT_TRUE(is(carol.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  // Nor by way of a Route, of the domain itself or of a target elsewhere.
  carol.ask({.method = "MESSAGE", .uri = "sip:dave@example.org", .routes = {"<sip:p2psip.org;lr>"}});
  EXPECT_TRUE(is(carol.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  carol.ask({.method = "MESSAGE", .uri = "sip:p2psip.org", .routes = {"<sip:example.org;lr>"}});
  EXPECT_TRUE(is(carol.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"relay\"}"), 4u);
  // An ACK is dropped.
  carol.send(
      carol.write({.method = "ACK", .uri = "sip:dave@example.org", .to = "<sip:dave@example.org>;tag=1"}));
  EXPECT_TRUE(dave.quiet());
  EXPECT_EQ(p.count("proxy_acks_dropped_total"), 1u);
}

// Down a flow goes what is for that phone, whatever the Request-URI says.
TEST_F(Senders, AFlowLeadsNowhereElse) {
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto& victim = world.outsider("sip:victim@example.org", p);
  auto c = call(carol, alice, "sip:alice@p2psip.org");
  c.caller.target = "sip:victim@" + victim.address.text();
  carol.in_dialogue(c.caller, "INFO");
  EXPECT_TRUE(victim.quiet());
}

TEST_F(Senders, ForgedFromIsChallengedThenRefused) {
  auto& bob = world.phone("bob", p);
  auto& eve = world.outsider("sip:alice@p2psip.org", p);
  auto plain = eve.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  eve.send(plain);
  auto challenge = eve.wait("SIP/2.0 407");
  EXPECT_EQ(headers(challenge, "Proxy-Authenticate").size(), 2u) << challenge;
  EXPECT_NE(header(challenge, "Proxy-Authenticate").find("SHA-256"), std::string::npos);
  eve.password = "guess";
  eve.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  EXPECT_TRUE(is(eve.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  EXPECT_TRUE(bob.quiet());
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"identity\"}"), 1u);
}

TEST_F(Senders, AnotherUsersNameIsRefusedAfterDigest) {
  auto& bob = world.phone("bob", p);
  auto& eve = world.phone("eve", p);
  eve.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .from = "<sip:alice@p2psip.org>;tag=x"});
  EXPECT_TRUE(is(eve.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  eve.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .from = "<sip:p%65ter@p2psip.org>;tag=x"});
  EXPECT_TRUE(is(eve.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  EXPECT_TRUE(bob.quiet());
  // The same name written otherwise is the same name.
  eve.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .from = "<sip:%65ve@P2PSIP.org>;tag=x"});
  EXPECT_FALSE(bob.wait("MESSAGE").empty());
}

TEST_F(Senders, AssertedIdentities) {
  auto& bob = world.phone("bob", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  carol.ask({.method = "MESSAGE",
             .uri = "sip:bob@p2psip.org",
             .extra = "P-Asserted-Identity: <sip:carol@example.com>\r\n"});
  auto in = bob.wait("MESSAGE");
  ASSERT_FALSE(in.empty());
  EXPECT_EQ(header(in, "P-Asserted-Identity"), "");
  bob.answer(in, 200);
  world.run(1s);
  carol.inbox.clear();
  carol.send(carol.write({.method = "MESSAGE",
                          .uri = "sip:bob@p2psip.org",
                          .extra = "P-Asserted-Identity: <sip:alice@p2psip.org>\r\n"}));
  EXPECT_FALSE(carol.wait("SIP/2.0 407").empty());
  EXPECT_TRUE(bob.quiet());
}

TEST_F(Senders, CredentialsForOthersStay) {
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  const std::string theirs =
      "Digest username=\"a\", realm=\"example.com\", nonce=\"n\", uri=\"sip:x\", response=\"00\"";
  alice.ask({.method = "MESSAGE",
             .uri = "sip:carol@example.com",
             .extra = "Proxy-Authorization: " + theirs + "\r\n"});
  auto in = carol.wait("MESSAGE");
  ASSERT_FALSE(in.empty());
  EXPECT_EQ(headers(in, "Proxy-Authorization"), std::vector{theirs});
  // And an outsider's own are no reason to be challenged here.
  auto& bob = world.phone("bob", p);
  carol.send(carol.write({.method = "MESSAGE",
                          .uri = "sip:bob@p2psip.org",
                          .extra = "Proxy-Authorization: " + theirs + "\r\n"}));
  EXPECT_FALSE(bob.wait("MESSAGE").empty());
}

TEST_F(Senders, AStaleNonceIsAskedForAgain) {
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto text = alice.ask({.method = "MESSAGE", .uri = "sip:carol@example.com"});
  EXPECT_FALSE(carol.wait("MESSAGE").empty());
  const auto old = header(text, "Proxy-Authorization");
  world.run(sip::limits::kNonceLife + 5s);
  alice.inbox.clear();
  alice.send(alice.write({.method = "MESSAGE",
                          .uri = "sip:carol@example.com",
                          .extra = "Proxy-Authorization: " + old + "\r\n"}));
  auto challenge = alice.wait("SIP/2.0 407");
  EXPECT_NE(challenge.find("stale=true"), std::string::npos) << challenge;
}

TEST_F(Senders, AnOverheardAnswerReachesNobodyElse) {
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto& dave = world.outsider("sip:dave@example.org", p);
  auto text = alice.ask({.method = "MESSAGE", .uri = "sip:carol@example.com"});
  EXPECT_FALSE(carol.wait("MESSAGE").empty());
  auto& thief = world.outsider("sip:alice@p2psip.org", p);
  thief.send(thief.write({.method = "MESSAGE",
                          .uri = "sip:dave@example.org",
                          .extra = "Proxy-Authorization: " + header(text, "Proxy-Authorization") + "\r\n"}));
  EXPECT_TRUE(is(thief.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  EXPECT_TRUE(dave.quiet());
}

// A claim ("I am the phone of this flow") counts from the phone's own address only.
TEST_F(Senders, AClaimFromElsewhereIsChallenged) {
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  auto& thief = world.outsider("sip:alice@p2psip.org", p);
  auto stolen = c.caller;
  thief.in_dialogue(stolen, "BYE");
  EXPECT_FALSE(thief.wait("SIP/2.0 407").empty());
  EXPECT_TRUE(bob.quiet());
  // Alice herself, whose address has changed, proves it by digest.
  auto& moved = world.phone_of("alice", p);
  moved.ask(
      {"BYE", c.caller.target, "", c.caller.from, c.caller.to, c.caller.call_id, 7, c.caller.routes, false});
  EXPECT_FALSE(bob.wait("BYE").empty());
}

TEST_F(Senders, AForgedTokenIsRefused) {
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  auto forged = c.caller;
  forged.routes[0] = "<" + p.flow_prefix() + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@p2psip.org;lr>";
  alice.in_dialogue(forged, "BYE");
  EXPECT_TRUE(is(alice.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  auto& carol = world.outsider("sip:carol@example.com", p);
  carol.ask({.method = "MESSAGE",
             .uri = "sip:bob@p2psip.org",
             .routes = {"<sip:p2psip.org;lr>", forged.routes[0]}});
  EXPECT_TRUE(is(carol.wait("SIP/2.0 4"), "SIP/2.0 404 "));
}

// Not a way around digest: an initial request with a Route of one's own flow.
TEST_F(Senders, AClaimOutsideADialogueIsNoProof) {
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  alice.send(alice.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .routes = {c.caller.routes[0]}}));
  EXPECT_FALSE(alice.wait("SIP/2.0 407").empty());
  alice.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .routes = {c.caller.routes[0]}});
  EXPECT_FALSE(bob.wait("MESSAGE").empty());
}

TEST_F(Senders, ARoamingPhoneCallsThroughAnotherPeer) {
  auto& other = world.peer();
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  alice.server = other.address();
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  // A token made for the way it came: bob's BYE finds alice where she called from.
  EXPECT_TRUE(values(c.invite_in, "Record-Route")[1].starts_with("<" + other.flow_prefix()));
  EXPECT_TRUE(bye(bob, c.callee, alice));
}

TEST_F(Senders, ForeignFromOfAnOwnPhoneNeedsARegistration) {
  auto& alice = world.phone("alice", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  alice.ask({.method = "MESSAGE", .uri = "sip:carol@example.com", .from = "<sip:alice@example.org>;tag=1"});
  EXPECT_TRUE(is(alice.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  EXPECT_TRUE(carol.quiet());
}

class OpenSenders : public ProxyTest {
 protected:
  Peer& p = world.peer({.proxy = true, .open = true});
};

TEST_F(OpenSenders, TheRegisteredAddressIsEnough) {
  auto& alice = world.phone("alice", p);
  auto& bob = world.phone("bob", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  EXPECT_TRUE(bye(bob, c.callee, alice));
  auto out = call(alice, carol, "sip:carol@example.com");
  EXPECT_TRUE(bye(carol, out.callee, alice));
  EXPECT_EQ(p.count("proxy_challenged_total"), 0u);
  auto& eve = world.outsider("sip:alice@p2psip.org", p);
  eve.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  EXPECT_TRUE(is(eve.wait("SIP/2.0 4"), "SIP/2.0 403 "));
}

}  // namespace
}  // namespace causeway::proxy::testing
