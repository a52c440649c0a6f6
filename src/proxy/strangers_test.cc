// What a peer says to who has proved nothing, over UDP, where the source may be a lie (sip/source_limit.h):
// not more than twice what it was sent, not twice, and not too often.
#include <algorithm>

#include "proxy/world_test.h"

namespace causeway::proxy::testing {
namespace {

class Strangers : public ProxyTest {
 protected:
  Peer& p = world.peer({.proxy = true});
  Ua& bob = world.phone("bob", p);
  Ua& forger = world.outsider("sip:forger@example.com", p);  // whoever he says he is

  // Everything that went from the peer to that address since the wire was forgotten.
  std::vector<std::string> said_to(const net::Ip& ip) const {
    std::vector<std::string> all;
    for (const auto& seen : world.wire)
      if (seen.to.ip == ip && seen.from.ip == p.address().ip) all.push_back(seen.text);
    return all;
  }
  std::size_t answers_in(base::Duration span) {
    world.run(span);
    const auto count = said_to(forger.address.ip).size();
    world.wire.clear();
    return count;
  }
  // As short as a request can be.
  static std::string tiny(std::string_view method, std::string_view uri, std::string extra = "") {
    static int n = 0;
    ++n;
    return fmt::format(
        "{0} {1} SIP/2.0\r\nv:SIP/2.0/UDP "
        "a;branch=z9hG4bK{2}\r\nf:<sip:b@p2psip.org>\r\nt:<sip:b@p2psip.org>\r\n"
        "i:{2}\r\nCSeq:1 {0}\r\n{3}\r\n",
        method, uri, n, extra);
  }
  void TearDown() override { world.wire.emplace_back(); }  // tiny requests go to port 5060 of "a"
};

const std::string kCount = "sip_stranger_unanswered_total{reason=\"length\"}";

TEST_F(Strangers, NoAnswerIsLongerThanTwiceTheRequest) {
  const std::string long_list = "Proxy-Require:" + std::string(200, 'x') + "\r\n";
  const std::vector<std::string> requests = {
      tiny("OPTIONS", "sip:p2psip.org"),
      tiny("REGISTER", "sip:p2psip.org"),
      tiny("REGISTER", "sip:p2psip.org", "Require:foo\r\n"),
      tiny("INVITE", "sip:bob@p2psip.org"),
      tiny("INVITE", "sip:bob@p2psip.org", long_list + long_list + "m:<sip:b@a>\r\n"),
      tiny("INVITE", "sip:x@p2psip.org", "Max-Forwards:0\r\n"),
      tiny("MESSAGE", "sip:nobody@p2psip.org"),
      tiny("MESSAGE", "sip:a@b.example"),
      tiny("SUBSCRIBE", "sip:p2psip.org"),
      tiny("FOO", "sip:p2psip.org"),
      tiny("CANCEL", "sip:bob@p2psip.org"),
      tiny("INVITE", "tel:1"),
      tiny("INVITE", "sip:bob@p2psip.org", "l:70\r\n"),
      "BYE sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\n\r\n",
      "X sip:a SIP/9.0\r\nv:SIP/2.0/UDP a\r\n\r\n",
  };
  int answered = 0, silent = 0;
  for (const auto& request : requests)
    for (const std::size_t padding : {0, 40, 100, 400}) {
      auto padded = request;
      if (padding) padded.insert(padded.size() - 2, "P:" + std::string(padding, 'x') + "\r\n");
      padded.replace(padded.find("UDP a"), 5, fmt::format("UDP a{}", padding));  // no retransmission
      world.wire.clear();
      forger.send(padded);
      world.run(100ms);
      for (const auto& said : said_to(forger.address.ip)) {
        EXPECT_LE(said.size(), 2 * padded.size()) << padded << "\n---\n" << said;
        ++answered;
      }
      silent += said_to(forger.address.ip).empty();
      world.run(1s);
    }
  EXPECT_GE(answered, 45);
  EXPECT_GE(silent, 2);
  EXPECT_EQ(p.count(kCount), static_cast<std::uint64_t>(silent));
  EXPECT_TRUE(bob.quiet());
}

// What must be there is there where it fits, and the second challenge goes first.
TEST_F(Strangers, AnAnswerIsCutToWhatMustBe) {
  const auto known = p.transactions().server_count();
  const auto ask = [&](std::size_t padding) {
    auto request = tiny("REGISTER", "sip:p2psip.org");
    request.insert(request.size() - 2, "P:" + std::string(padding, 'x') + "\r\n");
    world.wire.clear();
    forger.send(request);
    world.run(100ms);
    return said_to(forger.address.ip).empty() ? "" : said_to(forger.address.ip).front();
  };
  const auto both = ask(300), one = ask(60);
  ASSERT_TRUE(is(both, "SIP/2.0 401") && is(one, "SIP/2.0 401"));
  EXPECT_EQ(headers(both, "WWW-Authenticate").size(), 2u);
  EXPECT_EQ(headers(one, "WWW-Authenticate").size(), 1u);
  EXPECT_EQ(ask(1), "");                                  // never a challenge without a challenge
  EXPECT_EQ(p.transactions().server_count(), known + 2);  // and of that request nothing is left
}

// RFC 3261 26.3.2.4. Who has had no provisional response repeats his INVITE, and is told again.
TEST_F(Strangers, AnErrorAtOnceIsNotSaidAgain) {
  const auto invite = forger.write({.method = "INVITE", .uri = "sip:nobody@p2psip.org"});
  forger.send(invite);
  EXPECT_EQ(answers_in(40s), 1u);
  forger.send(invite);
  EXPECT_EQ(answers_in(1s), 1u);
  forger.send(invite);
  EXPECT_EQ(answers_in(40s), 1u);
  EXPECT_EQ(p.transactions().server_count(), 0u);
  EXPECT_EQ(p.count("sip_server_responses_resent_total"), 1u);  // as asked
}

// After a 100 nobody would repeat it: Timer G runs, and is paid for.
TEST_F(Strangers, AnErrorAfterATryingIsRepeated) {
  auto& second = world.peer();  // so that users are looked up
  (void)second;
  forger.send(forger.write({.method = "INVITE", .uri = "sip:nobody@p2psip.org"}));
  EXPECT_EQ(answers_in(40s), 1u + 11u);
  EXPECT_EQ(p.count("sip_server_responses_resent_total"), 10u);
  EXPECT_EQ(p.count("sip_stranger_answers_total"), 1u + 11u);  // and bob's challenge
}

// Who has had a 100 waits; what he may not be told now he is told later.
TEST_F(Strangers, AnErrorAfterATryingIsNotForgotten) {
  world.peer();
  for (int i = 0; i < 300; ++i) forger.send(forger.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));
  world.run(25ms);
  forger.inbox.clear();
  forger.send(forger.write({.method = "INVITE", .uri = "sip:nobody@p2psip.org"}));
  for (int i = 0; i < 100; ++i) forger.send(forger.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));
  world.run(100ms);
  EXPECT_EQ(forger.wait("SIP/2.0 404", 0ms), "");
  EXPECT_FALSE(forger.wait("SIP/2.0 404", 2s).empty());
}

TEST_F(Strangers, AFloodUnderOneNameIsAnsweredAtItsRate) {
  for (int i = 0; i < 3000; ++i) forger.send(forger.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));
  EXPECT_EQ(answers_in(20ms), 200u);  // four seconds' worth
  for (int s = 0; s < 10; ++s) {
    for (int i = 0; i < 300; ++i) forger.send(forger.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));
    world.run(1s);
  }
  EXPECT_NEAR(static_cast<double>(answers_in(0s)), 500, 50);
  EXPECT_GT(p.count("sip_stranger_unanswered_total{reason=\"rate\"}"), 5000u);
  world.run(100ms);
  EXPECT_LE(p.transactions().server_count(), 800u);  // of what was not answered nothing is kept
  // Others are not concerned: phones register and call.
  auto& alice = world.phone("alice", p);
  EXPECT_TRUE(call(alice, bob, "sip:bob@p2psip.org").up);
  world.run(1min);
  EXPECT_EQ(p.transactions().server_count(), 0u);
}

// A flow that a phone has registered is known, and whoever forges it cannot lock the phone out.
TEST_F(Strangers, ARegisteredPhoneIsNotLimited) {
  for (int i = 0; i < 3000; ++i) bob.send(bob.write({.method = "INVITE", .uri = "sip:nobody@p2psip.org"}));
  world.run(100ms);
  bob.inbox.clear();
  EXPECT_EQ(p.count("sip_stranger_unanswered_total{reason=\"rate\"}"), 0u);
  EXPECT_TRUE(bob.enroll());
}

// A provider calls people who are not there, ever faster: its ACKs show that it is there itself.
TEST_F(Strangers, WhoAcknowledgesIsNotLimited) {
  int given = 0;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < (100 << round); ++i)
      forger.send(forger.write({.method = "INVITE", .uri = "sip:nobody@p2psip.org"}));
    world.run(100ms);
    for (const auto& error : std::exchange(forger.inbox, {})) {
      ASSERT_TRUE(is(error, "SIP/2.0 404"));
      ++given;
      forger.send(fmt::format(
          "ACK sip:nobody@p2psip.org SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n"
          "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
          header(error, "Via"), header(error, "From"), header(error, "To"), header(error, "Call-ID")));
    }
    world.run(100ms);
  }
  EXPECT_EQ(given, 100 * 63);
  EXPECT_EQ(p.count("sip_stranger_unanswered_total{reason=\"rate\"}"), 0u);
}

// Who has not had the answer cannot know its tag.
TEST_F(Strangers, AForgedAcknowledgementProvesNothing) {
  const auto before = p.count("sip_stranger_proofs_total");
  const auto ack_with = [&](const std::string& invite, std::string to) {
    return fmt::format(
        "ACK sip:nobody@p2psip.org SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n"
        "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
        header(invite, "Via"), header(invite, "From"), to, header(invite, "Call-ID"));
  };
  for (const char* to : {"<sip:nobody@p2psip.org>;tag=guessed", "<sip:nobody@p2psip.org>",
                         "<sip:nobody@p2psip.org>;tag=s0123456789abcdef"}) {
    const auto invite = forger.write({.method = "INVITE", .uri = "sip:nobody@p2psip.org"});
    forger.send(invite);
    forger.send(ack_with(invite, to));
    // A tag that was in the request comes back, and proves as little.
    const auto again = forger.write(
        {.method = "INVITE", .uri = "sip:nobody@p2psip.org", .to = "<sip:nobody@p2psip.org>;tag=mine"});
    forger.send(again);
    forger.send(ack_with(again, "<sip:nobody@p2psip.org>;tag=mine"));
  }
  world.run(1s);
  EXPECT_EQ(p.count("sip_stranger_proofs_total"), before);
}

// Phones that are called answer whoever calls, however often: that is what they are there for.
TEST_F(Strangers, WhatPhonesAnswerPasses) {
  constexpr int kCalls = 1000;
  for (int i = 0; i < kCalls; ++i)
    forger.send(forger.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"}));
  world.run(50ms);
  for (const auto& in : std::exchange(bob.inbox, {})) bob.answer(in, 200);
  world.run(50ms);
  EXPECT_EQ(forger.inbox.size(), static_cast<std::size_t>(kCalls));
}

// RFC 3261 18.2.2 and RFC 3581: wherever the Via points, answers go to where the datagram came from.
TEST_F(Strangers, NoViaAimsAnAnswerAtAnother) {
  auto& victim = world.outsider("sip:victim@example.net", p);
  for (const std::string& via :
       {fmt::format("{};branch=z9hG4bKr1", victim.address.text()),
        fmt::format("{};rport;branch=z9hG4bKr2", victim.address.text()),
        fmt::format("{};received={};branch=z9hG4bKr3", victim.address.text(), victim.address.ip.text()),
        fmt::format("192.0.2.99;maddr={};branch=z9hG4bKr4", victim.address.ip.text()),
        fmt::format("192.0.2.99;maddr={};ttl=255;rport;branch=z9hG4bKr5", victim.address.ip.text())}) {
    auto text = forger.write({.method = "OPTIONS", .uri = "sip:p2psip.org"});
    const auto at = text.find("UDP ") + 4;
    text.replace(at, text.find("\r\n", at) - at, via);
    world.wire.clear();
    forger.send(text);
    world.run(100ms);
    EXPECT_EQ(said_to(forger.address.ip).size(), 1u) << via;
    EXPECT_TRUE(said_to(victim.address.ip).empty()) << via;
  }
  EXPECT_EQ(p.count("sip_maddr_ignored_total"), 2u);
}

}  // namespace
}  // namespace causeway::proxy::testing
