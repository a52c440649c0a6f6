// Forking, cancelling, timers and the best response (RFC 3261 16.7 to 16.10, RFC 6026).
#include "proxy/world_test.h"

#include "base/limits.h"

namespace causeway::proxy::testing {
namespace {

class Forking : public ProxyTest {
 protected:
  Peer& p = world.peer({.proxy = true});
  Ua& carol = world.outsider("sip:carol@example.com", p);

  // Another phone of bob, with this q.
  Ua& bob_with(const char* q) {
    Ua& ua = world.phone_of("bob", p);
    EXPECT_TRUE(ua.enroll(3600, std::string(";q=") + q));
    return ua;
  }
  std::string ring(Ua& ua) {
    auto invite = ua.wait("INVITE");
    EXPECT_FALSE(invite.empty());
    if (!invite.empty()) ua.answer(invite, 180);
    return invite;
  }
};

TEST_F(Forking, EqualQRingsBothAndTheFirstAnswerCancelsTheOther) {
  auto& one = bob_with("0.8");
  auto& two = bob_with("0.8");
  carol.invite("sip:bob@p2psip.org");
  auto at_one = ring(one), at_two = ring(two);
  EXPECT_FALSE(carol.wait("SIP/2.0 180").empty());
  EXPECT_FALSE(carol.wait("SIP/2.0 180").empty());
  // The breadth is shared (RFC 5393).
  EXPECT_EQ(header(at_one, "Max-Breadth"), "30");
  EXPECT_EQ(header(at_two, "Max-Breadth"), "30");
  one.answer(at_one, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  auto cancel = two.wait("CANCEL");
  ASSERT_FALSE(cancel.empty());
  two.answer(cancel, 200);
  two.answer(at_two, 487);
  EXPECT_FALSE(two.wait("ACK").empty());
  EXPECT_TRUE(carol.wait("SIP/2.0 4").empty());
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
}

TEST_F(Forking, ARequestGoesToSoManyPhonesAndNoMore) {
  auto& few = world.peer({.proxy = true, .max_forks = 3});
  std::vector<Ua*> phones;
  for (int i = 0; i < 5; ++i) phones.push_back(&world.phone("eve", few));
  auto& caller = world.outsider("sip:dave@example.com", few);
  caller.invite("sip:eve@p2psip.org");
  world.run(500ms);
  int rang = 0;
  for (auto* phone : phones)
    if (auto in = phone->wait("INVITE", 0ms); !in.empty()) phone->answer(in, 486), ++rang;
  EXPECT_EQ(rang, 3);
  EXPECT_EQ(few.count("proxy_forks_left_out_total"), 2u);
  EXPECT_FALSE(caller.wait("SIP/2.0 486").empty());
}

// RFC 5393 5.3.3: more than the most is not believed.
TEST_F(Forking, MaxBreadthIsBelievedUpToItsMost) {
  auto& one = bob_with("1");
  carol.invite("sip:bob@p2psip.org", "Max-Breadth: 4000000000\r\n");
  const auto in = one.wait("INVITE");
  EXPECT_EQ(header(in, "Max-Breadth"), std::to_string(limits::kMaxBreadth));
  one.answer(in, 486);
  EXPECT_FALSE(carol.wait("SIP/2.0 486").empty());
}

// RFC 5626: of the flows of a phone the newest is tried first, and the last of as many as it may have at
// last.
TEST_F(Forking, EveryFlowOfAPhoneIsTried) {
  auto& peer = world.peer({.proxy = true, .tcp = true});
  auto& phone = world.phone_of("eve", peer);
  const auto enroll = [&](std::size_t number) {
    world.run(10ms);
    return phone.enroll(3600, fmt::format(";+sip.instance=\"<urn:x>\";reg-id={}", number));
  };
  EXPECT_TRUE(enroll(1));  // over UDP
  for (std::size_t i = 2; i <= limits::kMaxFlows; ++i) {
    phone.use_tcp();  // the one before is closed
    EXPECT_TRUE(enroll(i));
  }
  phone.hang_up_stream();
  world.run(1s);
  EXPECT_EQ(peer.registrar().bindings().size(), limits::kMaxFlows);
  auto& caller = world.outsider("sip:dave@example.com", peer);
  caller.invite("sip:eve@p2psip.org");
  const auto in = phone.wait("INVITE");
  ASSERT_FALSE(in.empty());
  phone.answer(in, 486);
  EXPECT_FALSE(caller.wait("SIP/2.0 486").empty());
}

TEST_F(Forking, BothAnswerAtOnceAndBothAnswersGoBack) {
  auto& one = bob_with("1");
  auto& two = bob_with("1");
  carol.invite("sip:bob@p2psip.org");
  auto at_one = ring(one), at_two = ring(two);
  one.answer(at_one, 200);
  two.answer(at_two, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  // Retransmitted 2xx pass while the transactions live (RFC 6026), and are nobody's afterwards.
  two.answer(at_two, 200);
  one.answer(at_one, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
  world.run(40s);
  one.answer(at_one, 200);
  EXPECT_TRUE(carol.wait("SIP/2.0 200").empty());
  EXPECT_EQ(p.transactions().client_count(), 0u);
  EXPECT_EQ(p.transactions().server_count(), 0u);
}

TEST_F(Forking, LowerQIsTriedAfterTheHigherHasFailed) {
  auto& second = bob_with("0.1");
  auto& first = bob_with("0.9");
  carol.invite("sip:bob@p2psip.org");
  auto at_first = first.wait("INVITE");
  EXPECT_TRUE(second.quiet());
  first.answer(at_first, 486);
  auto at_second = second.wait("INVITE");
  ASSERT_FALSE(at_second.empty());
  EXPECT_EQ(header(at_second, "Max-Breadth"), "60");
  second.answer(at_second, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
}

TEST_F(Forking, SixHundredEndsTheSearch) {
  auto& first = bob_with("0.9");
  auto& beside = bob_with("0.9");
  auto& second = bob_with("0.1");
  carol.invite("sip:bob@p2psip.org");
  auto at_first = ring(first), at_beside = ring(beside);
  first.answer(at_first, 603);
  auto cancel = beside.wait("CANCEL");
  ASSERT_FALSE(cancel.empty());
  beside.answer(cancel, 200);
  EXPECT_TRUE(carol.wait("SIP/2.0 6", 500ms).empty());  // not before the others have ended
  beside.answer(at_beside, 487);
  EXPECT_FALSE(carol.wait("SIP/2.0 603").empty());
  EXPECT_TRUE(second.quiet());
}

TEST_F(Forking, TheBestOfSeveralErrors) {
  auto& one = bob_with("1");
  auto& two = bob_with("1");
  auto& three = bob_with("1");
  carol.invite("sip:bob@p2psip.org");
  auto a = ring(one), b = ring(two), c = ring(three);
  one.answer(a, 408);
  two.answer(b, 500);
  three.answer(c, 486);
  EXPECT_FALSE(carol.wait("SIP/2.0 486").empty());
}

TEST_F(Forking, ChallengesOfAllBranchesAreGathered) {
  auto& one = bob_with("1");
  auto& two = bob_with("1");
  auto& three = bob_with("1");
  carol.invite("sip:bob@p2psip.org");
  auto a = ring(one), b = ring(two), c = ring(three);
  one.answer(a, 401, "WWW-Authenticate: Digest realm=\"one\",nonce=\"1\"\r\n");
  two.answer(b, 407, "Proxy-Authenticate: Digest realm=\"two\",nonce=\"2\"\r\n");
  three.answer(c, 486);
  auto back = carol.wait("SIP/2.0 40");
  EXPECT_EQ(header(back, "WWW-Authenticate"), "Digest realm=\"one\",nonce=\"1\"");
  EXPECT_EQ(header(back, "Proxy-Authenticate"), "Digest realm=\"two\",nonce=\"2\"");
}

TEST_F(Forking, ServiceUnavailableGoesBackAs500) {
  auto& bob = bob_with("1");
  carol.invite("sip:bob@p2psip.org");
  auto a = bob.wait("INVITE");
  bob.answer(a, 503);
  auto back = carol.wait("SIP/2.0 5");
  EXPECT_TRUE(is(back, "SIP/2.0 500 ")) << back;
}

TEST_F(Forking, AResponseThatLostItsViasGoesNowhere) {
  auto& bob = bob_with("1");
  carol.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  auto in = bob.wait("MESSAGE");
  const auto top = header(in, "Via");
  auto text = bob.answer_bare(in, 100, "");  // written, for its bytes
  text.replace(text.find("100 Trying"), 10, "200 OK");
  for (auto at = text.find("Via: "); at != std::string::npos; at = text.find("Via: "))
    text.erase(at, text.find("\r\n", at) + 2 - at);
  text.insert(text.find("\r\n") + 2, "Via: " + top + "\r\n");
  bob.send(text);
  EXPECT_TRUE(carol.quiet());
  EXPECT_EQ(p.count("proxy_stray_responses_total"), 1u);
}

TEST_F(Forking, CancelFromTheCaller) {
  auto& one = bob_with("1");
  auto& two = bob_with("1");
  auto& later = bob_with("0.5");
  auto invite = carol.invite("sip:bob@p2psip.org");
  auto a = ring(one), b = ring(two);
  auto cancel = invite;
  cancel.replace(0, 6, "CANCEL");
  cancel.replace(cancel.find("1 INVITE"), 8, "1 CANCEL");
  cancel.erase(cancel.find("Contact:"),
               cancel.find("\r\n", cancel.find("Contact:")) + 2 - cancel.find("Contact:"));
  carol.send(cancel);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  for (auto* ua : {&one, &two}) {
    auto c = ua->wait("CANCEL");
    ASSERT_FALSE(c.empty());
    ua->answer(c, 200);
  }
  one.answer(a, 487);
  two.answer(b, 487);
  EXPECT_FALSE(carol.wait("SIP/2.0 487").empty());
  EXPECT_TRUE(later.quiet());
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
}

TEST_F(Forking, CancelWhileTheUserIsStillLookedUp) {
  world.peer();
  auto invite = carol.write({.method = "INVITE", .uri = "sip:alice@p2psip.org"});
  auto cancel = invite;
  cancel.replace(0, 6, "CANCEL");
  cancel.replace(cancel.find("1 INVITE"), 8, "1 CANCEL");
  carol.send(invite);
  world.run(2ms);  // the overlay takes 5 ms to answer
  carol.send(cancel);
  EXPECT_FALSE(carol.wait("SIP/2.0 487", 100ms).empty());
  EXPECT_TRUE(carol.wait("SIP/2.0 480", 0ms).empty());
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
  world.run(5s);  // the answer of the overlay finds nobody waiting
}

TEST_F(Forking, TimerCEndsAnEndlessRing) {
  auto& bob = bob_with("1");
  carol.invite("sip:bob@p2psip.org");
  auto a = ring(bob);
  world.run(170s);
  bob.answer(a, 180);  // starts it anew
  world.run(170s);
  EXPECT_EQ(p.count("proxy_timer_c_total"), 0u);
  world.run(12s);
  EXPECT_EQ(p.count("proxy_timer_c_total"), 1u);
  auto cancel = bob.wait("CANCEL");
  ASSERT_FALSE(cancel.empty());
  bob.answer(cancel, 200);
  bob.answer(a, 487);
  EXPECT_FALSE(carol.wait("SIP/2.0 487").empty());
}

TEST_F(Forking, ASilentPhoneIs408) {
  auto& bob = bob_with("1");
  world.net.kill(bob.address.ip);
  carol.invite("sip:bob@p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 408", 40s).empty());
}

TEST_F(Forking, APhoneThatIsGoneIs480AtOnce) {
  auto& bob = bob_with("1");
  bob.~Ua();
  new (&bob) Ua(world, "sip:nobody@p2psip.org", "10.1.0.99:5060", p.address());
  carol.invite("sip:bob@p2psip.org");
  EXPECT_FALSE(carol.wait("SIP/2.0 480", 1s).empty());
}

TEST_F(Forking, MaxBreadthOneForksOneAfterAnother) {
  auto& one = bob_with("1");
  auto& two = bob_with("1");
  carol.invite("sip:bob@p2psip.org", "Max-Breadth: 1\r\n");
  auto a = one.wait("INVITE");
  ASSERT_FALSE(a.empty());
  EXPECT_EQ(header(a, "Max-Breadth"), "1");
  EXPECT_TRUE(two.quiet());
  one.answer(a, 486);
  auto b = two.wait("INVITE");
  ASSERT_FALSE(b.empty());
  two.answer(b, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
}

TEST_F(Forking, OtherMethodsForkToo) {
  auto& one = bob_with("1");
  auto& two = bob_with("1");
  carol.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  auto a = one.wait("MESSAGE"), b = two.wait("MESSAGE");
  ASSERT_FALSE(a.empty());
  ASSERT_FALSE(b.empty());
  one.answer(a, 404);
  EXPECT_TRUE(carol.quiet());
  two.answer(b, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  one.answer(a, 404);
  EXPECT_TRUE(carol.quiet());
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
}

TEST_F(Forking, PhonesAtTwoPeers) {
  auto& p2 = world.peer();
  auto& here = bob_with("1");
  auto& there = world.phone("bob", p2);
  carol.invite("sip:bob@p2psip.org");
  auto a = ring(here), b = ring(there);
  there.answer(b, 200);
  EXPECT_FALSE(carol.wait("SIP/2.0 200").empty());
  auto cancel = here.wait("CANCEL");
  EXPECT_FALSE(cancel.empty());
  here.answer(cancel, 200);
  here.answer(a, 487);
  world.run(1s);
  EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
  EXPECT_EQ(p2.proxy().calls_in_setup(), 0u);
}

}  // namespace
}  // namespace causeway::proxy::testing
