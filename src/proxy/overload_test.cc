// A peer in overload: what it refuses, what it never refuses, and what that costs.
#include "proxy/world_test.h"

namespace causeway::proxy::testing {
namespace {

constexpr auto kTarget = 20ms;
constexpr auto kLater = sip::limits::kLaterStage * kTarget;

class OverloadWorld : public ProxyTest {
 protected:
  Peer& peer(PeerOptions options = {.proxy = true}) {
    Peer& p = world.peer(options);
    p.transactions().set_overload({.target = kTarget});
    return p;
  }
  void set_waited(Peer& p, base::Duration waited) { world.net.set_waited(*net::Ip::parse(p.ip()), waited); }
  // Until what comes to `p` has been late for so long that it is called an overload.
  void overload(Peer& p, base::Duration waited = kTarget) {
    set_waited(p, waited);
    for (int i = 0; i < 10; ++i) {
      noise.send_to(
          noise.write({.method = "INFO", .uri = "sip:p2psip.org", .to = "<sip:x@p2psip.org>;tag=x"}),
          p.address());
      world.run(10ms);
    }
    ASSERT_TRUE(p.transactions().overload().on);
  }
  // The ACK to a final response that is no 2xx (RFC 3261 17.1.1.3).
  static std::string ack_for(const std::string& invite, const std::string& response) {
    std::string ack = "ACK" + invite.substr(6, invite.find("\r\n") - 6) + "\r\n";
    for (std::string_view name : {"Via", "Max-Forwards", "From", "Call-ID"})
      ack += fmt::format("{}: {}\r\n", name, header(invite, name));
    return ack + fmt::format("To: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", header(response, "To"));
  }
  // What a request from there is answered.
  int status(Ua& from, Ua::Out out) {
    from.inbox.clear();
    from.send(from.write(std::move(out)));
    const std::string answer = from.wait("SIP/2.0 ", 150ms);
    return answer.empty() ? 0 : std::stoi(answer.substr(8, 3));
  }

  Peer& p = peer();
  Ua& bob = world.phone("bob", p);
  Ua& carol = world.outsider("sip:carol@example.com", p);
  Ua& noise = world.outsider("sip:noise@example.com", p);
};

TEST_F(OverloadWorld, ANewCallIsRefusedForNothing) {
  carol.send(carol.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));  // what is used for the first time
  overload(p);
  const auto transactions = p.transactions().server_count();
  world.net.on_packet({});
  for (int round = 0; round < 2; ++round) {
    p.gauge().allocations = 0;  // the first round warms up
    const std::string invite = carol.write({.method = "INVITE", .uri = "sip:bob@p2psip.org"});
    carol.send(invite);
    const std::string refusal = carol.wait("SIP/2.0 503");
    ASSERT_NE(refusal, "");
    for (std::string_view name : {"Via", "From", "Call-ID", "CSeq"})
      EXPECT_EQ(header(refusal, name).substr(0, header(invite, name).size()), header(invite, name));
    EXPECT_TRUE(header(refusal, "To").starts_with(header(invite, "To") + ";tag="));
    const int seconds = std::stoi(header(refusal, "Retry-After"));
    EXPECT_GE(seconds, 2);
    EXPECT_LE(seconds, 10);
    carol.send(ack_for(invite, refusal));
    EXPECT_TRUE(bob.quiet(200ms));
    EXPECT_TRUE(carol.quiet(200ms));
  }
  EXPECT_EQ(p.gauge().allocations, 0u);
  EXPECT_EQ(p.transactions().server_count(), transactions);
  EXPECT_EQ(p.count("sip_overload_refused_total"), 2u);
  EXPECT_EQ(p.count("sip_overload_acks_total"), 2u);
  EXPECT_EQ(p.count("proxy_acks_total"), 0u);
}

TEST_F(OverloadWorld, TheAckToARefusalIsKnownAfterItIsOver) {
  overload(p);
  const std::string invite = carol.write({.method = "INVITE", .uri = "sip:bob@p2psip.org"});
  carol.send(invite);
  const std::string refusal = carol.wait("SIP/2.0 503");
  set_waited(p, 0ms);
  world.run(3s);
  EXPECT_FALSE(p.transactions().overload().on);
  carol.send(ack_for(invite, refusal));
  world.run(100ms);
  EXPECT_EQ(p.count("proxy_acks_total"), 0u);
  EXPECT_TRUE(bob.quiet(200ms));
  EXPECT_TRUE(call(carol, bob, "sip:bob@p2psip.org").up);
}

// Call by call: what is young enough is taken, overload or not.
TEST_F(OverloadWorld, WhatHasNotWaitedIsTaken) {
  overload(p);
  set_waited(p, kTarget - 1ms);
  EXPECT_TRUE(call(carol, bob, "sip:bob@p2psip.org").up);
  EXPECT_GE(p.count("sip_overload_admitted_total"), 1u);
}

TEST_F(OverloadWorld, CallsInProgressGoOn) {
  auto up = call(carol, bob, "sip:bob@p2psip.org");
  // One that rings, and one whose INVITE comes again.
  const std::string ringing = carol.invite("sip:bob@p2psip.org");
  const std::string ringing_in = bob.wait("INVITE");
  bob.answer(ringing_in, 180);
  EXPECT_NE(carol.wait("SIP/2.0 180"), "");
  overload(p, 10 * kTarget);

  carol.send(ringing);
  EXPECT_NE(carol.wait("SIP/2.0 180"), "");  // absorbed by its transaction
  const std::string ok = bob.answer(ringing_in, 200);
  auto caller = carol.as_caller(ringing, carol.wait("SIP/2.0 200"));
  carol.in_dialogue(caller, "ACK");
  EXPECT_NE(bob.wait("ACK"), "");
  EXPECT_TRUE(bye(carol, caller, bob));

  for (const char* method : {"INVITE", "UPDATE", "INFO", "MESSAGE", "PRACK"}) {
    carol.in_dialogue(up.caller, method);
    const std::string request = bob.wait(method);
    ASSERT_NE(request, "") << method;
    bob.answer(request, 488);
    EXPECT_NE(carol.wait("SIP/2.0 488"), "") << method;
  }
  EXPECT_TRUE(bye(bob, up.callee, carol));
  EXPECT_EQ(p.count("sip_overload_refused_total"), 0u);
}

TEST_F(OverloadWorld, CancelAndWhatItEnds) {
  const std::string invite = carol.invite("sip:bob@p2psip.org");
  bob.answer(bob.wait("INVITE"), 180);
  EXPECT_NE(carol.wait("SIP/2.0 180"), "");
  overload(p, 10 * kTarget);
  std::string cancel = invite;
  cancel.replace(0, 6, "CANCEL");
  cancel.replace(cancel.find("1 INVITE"), 8, "1 CANCEL");
  carol.send(cancel);
  EXPECT_NE(carol.wait("SIP/2.0 200"), "");
  EXPECT_NE(bob.wait("CANCEL"), "");
}

TEST_F(OverloadWorld, EveryKindOfNewWorkIsRefused) {
  overload(p);
  for (const char* method :
       {"INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS", "PUBLISH", "REFER", "NOTIFY", "FOO"})
    EXPECT_EQ(status(carol, {.method = method, .uri = "sip:bob@p2psip.org"}), 503) << method;
  // Shapes that only the parser can judge.
  EXPECT_EQ(status(carol, {.method = "INVITE", .uri = "sip:bob@p2psip.org", .to = "sip:bob@p2psip.org"}),
            503);
  EXPECT_EQ(
      status(carol, {.method = "INVITE", .uri = "sip:bob@p2psip.org", .to = "<sip:bob@p2psip.org>;x=y"}),
      503);
  EXPECT_EQ(status(carol, {.method = "INVITE", .uri = "sip:bob@p2psip.org", .extra = "Subject: a\r\n b\r\n"}),
            503);
  EXPECT_TRUE(bob.quiet(200ms));
}

TEST_F(OverloadWorld, RegistrationsStayAndNewOnesAreRefusedLater) {
  auto& alice = world.phone_of("alice", p);
  overload(p, kLater - 1ms);
  EXPECT_TRUE(bob.enroll());
  EXPECT_TRUE(alice.enroll());
  auto& dave = world.phone_of("dave", p);
  set_waited(p, kLater);
  const Ua::Out register_out{.method = "REGISTER", .uri = "sip:p2psip.org", .to = "<" + dave.uri + ">"};
  EXPECT_EQ(status(dave, register_out), 503);
  set_waited(p, 20 * kTarget);
  EXPECT_TRUE(bob.enroll());
  EXPECT_TRUE(alice.enroll(0));
  EXPECT_EQ(p.registrar().bindings().size(), 1u);
}

// A member's request has cost another peer already: it is refused later than a stranger's.
TEST_F(OverloadWorld, MembersAreRefusedLater) {
  Peer& far = peer();
  auto& eve = world.outsider("sip:eve@example.com", far);
  ASSERT_TRUE(call(eve, bob, "sip:bob@p2psip.org").up);
  overload(p);
  EXPECT_TRUE(call(eve, bob, "sip:bob@p2psip.org").up);
  EXPECT_EQ(status(carol, {.method = "INVITE", .uri = "sip:bob@p2psip.org"}), 503);
  set_waited(p, kLater);
  eve.invite("sip:bob@p2psip.org");
  EXPECT_TRUE(bob.quiet(300ms));
}

TEST_F(OverloadWorld, OverTcp) {
  Peer& q = peer({.proxy = true, .tcp = true});
  auto& frank = world.outsider("sip:frank@example.com", q);
  frank.use_tcp();
  world.run(100ms);
  overload(q);
  EXPECT_EQ(status(frank, {.method = "INVITE", .uri = "sip:bob@p2psip.org"}), 503);
}

// The bound on what lingers says when to come back, too, and its ACK goes nowhere.
TEST_F(OverloadWorld, TooManyTransactions) {
  p.transactions().set_overload({.max_transactions = p.transactions().server_count() + 1});
  carol.send(carol.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));
  EXPECT_NE(carol.wait("SIP/2.0 200"), "");
  const std::string invite = carol.write({.method = "INVITE", .uri = "sip:bob@p2psip.org"});
  carol.send(invite);
  const std::string refusal = carol.wait("SIP/2.0 503");
  EXPECT_GE(std::stoi("0" + header(refusal, "Retry-After")), 2);
  carol.send(ack_for(invite, refusal));
  EXPECT_TRUE(bob.quiet(200ms));
  EXPECT_EQ(p.count("proxy_acks_total"), 0u);
}

TEST_F(OverloadWorld, WithoutATargetNothingIsRefused) {
  p.transactions().set_overload({});
  set_waited(p, 10s);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(call(carol, bob, "sip:bob@p2psip.org").up);
  EXPECT_EQ(p.count("sip_overload_total"), 0u);
}

}  // namespace
}  // namespace causeway::proxy::testing
