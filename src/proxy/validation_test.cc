// What a request must be (RFC 3261 16.3, RFC 5393), strict routers, names, and how URIs are read.
#include "proxy/validation.h"

#include "proxy/world_test.h"
#include "sip/rewrite.h"

namespace causeway::proxy::testing {
namespace {

class Validation : public ProxyTest {
 protected:
  Peer& p = world.peer({.proxy = true});
  Ua& bob = world.phone("bob", p);
  Ua& carol = world.outsider("sip:carol@example.com", p);

  std::string message(const std::string& extra = "", const std::string& uri = "sip:bob@p2psip.org") {
    return carol.write({.method = "MESSAGE", .uri = uri, .extra = extra});
  }
  static std::string with(std::string text, std::string_view from, std::string_view to) {
    return text.replace(text.find(from), from.size(), to);
  }
  std::string status_of(const std::string& text) {
    carol.send(text);
    return carol.wait("SIP/2.0 ").substr(8, 3);
  }
};

TEST_F(Validation, MaxForwards) {
  EXPECT_EQ(status_of(with(message(), "Max-Forwards: 70", "Max-Forwards: 0")), "483");
  EXPECT_TRUE(bob.quiet());
  carol.send(with(message(), "Max-Forwards: 70", "Max-Forwards: 1"));
  auto in = bob.wait("MESSAGE");
  EXPECT_EQ(header(in, "Max-Forwards"), "0");
  bob.answer(in, 200);
  carol.send(with(message(), "Max-Forwards: 70\r\n", ""));
  in = bob.wait("MESSAGE");
  EXPECT_EQ(header(in, "Max-Forwards"), "70");
  bob.answer(in, 200);
  carol.wait("SIP/2.0 200");
  carol.wait("SIP/2.0 200");
  // It is about going on: whom the request is for answers it.
  auto options = carol.write({.method = "OPTIONS", .uri = "sip:bob@p2psip.org"});
  EXPECT_EQ(status_of(with(options, "Max-Forwards: 70", "Max-Forwards: 0")), "483");
  options = carol.write({.method = "OPTIONS", .uri = "sip:p2psip.org"});
  EXPECT_EQ(status_of(with(options, "Max-Forwards: 70", "Max-Forwards: 0")), "200");
}

TEST_F(Validation, WhatCannotBeForwarded) {
  EXPECT_EQ(status_of(message("", "tel:+4930123456")), "416");
  EXPECT_EQ(status_of(message("Route: <sip:\r\n")), "400");
  EXPECT_EQ(status_of(message("Max-Breadth: 0\r\n")), "440");
  EXPECT_EQ(status_of(message("", "sip:bob@p2psip.org?Route=%3Csip:p2psip.org%3E")), "400");
  EXPECT_EQ(status_of(message("Via: SIP/2.0/UDP 192.0.2.1, SIP/2.0/UDP\r\n")), "400");
  EXPECT_EQ(status_of(message("Via: SIP/2.0/UDP 192.0.2.1;branch=a,,\r\n")), "400");
  EXPECT_EQ(status_of(with(message(), "To: <", "To: \"Bob <")), "400");
  std::string many = "Route: ";
  for (int i = 0; i < 20; ++i) many += i ? ",<sip:p2psip.org;lr>" : "<sip:p2psip.org;lr>";
  EXPECT_EQ(status_of(message(many + "\r\n")), "400");
  carol.send(message("Proxy-Require: foo, bar\r\n"));
  auto bad = carol.wait("SIP/2.0 420");
  EXPECT_EQ(header(bad, "Unsupported"), "foo, bar");
  EXPECT_TRUE(bob.quiet());
}

// RFC 3261 16.6 step 2: a Contact may have them (RFC 4475 3.3.14), a Request-URI not.
TEST_F(Validation, HeadersOfAContactStayBehind) {
  bob.enroll(0);
  bob.ask({.method = "REGISTER",
           .uri = "sip:p2psip.org",
           .extra = "Contact: <" + bob.contact() + "?Route=%3Csip:x%3E>\r\n",
           .to = "<" + bob.uri + ">",
           .contact = false});
  EXPECT_NE(bob.wait("SIP/2.0 200").find("?Route=%3Csip:x%3E"), std::string::npos);
  carol.send(message());
  EXPECT_TRUE(bob.wait("MESSAGE").starts_with("MESSAGE " + bob.contact() + " SIP/2.0\r\n"));
}

TEST_F(Validation, UnknownMethodsAndHeadersPass) {
  carol.send(carol.write({.method = "FROBNICATE",
                          .uri = "sip:bob@p2psip.org",
                          .extra = "X-Strange;header: a, \"b\r\n c\"\r\n"}));
  EXPECT_EQ(bob.wait("FROBNICATE"), "");  // ';' in a header name is no SIP
  carol.inbox.clear();
  carol.send(carol.write(
      {.method = "FROBNICATE", .uri = "sip:bob@p2psip.org", .extra = "X-Strange: a, \"b\r\n c\"\r\n"}));
  auto in = bob.wait("FROBNICATE");
  EXPECT_NE(in.find("X-Strange: a, \"b\r\n c\"\r\n"), std::string::npos) << in;
  bob.answer(in, 202);
  EXPECT_FALSE(carol.wait("SIP/2.0 202").empty());
}

// A provider that sends what it gets straight back to the domain.
TEST_F(Validation, LoopsEndAndSpiralsDoNot) {
  auto& echo = world.outsider("sip:x@example.org", p);
  auto& alice = world.phone("alice", p);
  alice.invite("sip:x@example.org");
  auto out = echo.wait("INVITE");
  ASSERT_FALSE(out.empty());
  auto back = with(out, "Via: ", "Via: SIP/2.0/UDP " + echo.address.text() + ";branch=z9hG4bKe1\r\nVia: ");
  echo.send(back);
  EXPECT_FALSE(echo.wait("SIP/2.0 4").empty());  // without proof the From of this domain stays outside
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"loop\"}"), 0u);

  // The same request with the same Request-URI, back at the peer that sent it on: a loop.
  carol.send(message());
  auto in = bob.wait("MESSAGE");
  auto looped = with(in, bob.contact(), "sip:bob@p2psip.org");
  looped = with(looped, "Via: ", "Via: SIP/2.0/UDP " + bob.address.text() + ";branch=z9hG4bKb1\r\nVia: ");
  bob.send(looped);
  EXPECT_FALSE(bob.wait("SIP/2.0 482").empty());
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"loop\"}"), 1u);
  // With another one: a spiral.
  auto spiral = with(in, bob.contact(), "sip:alice@p2psip.org");
  spiral = with(spiral, "Via: ", "Via: SIP/2.0/UDP " + bob.address.text() + ";branch=z9hG4bKb2\r\nVia: ");
  bob.send(spiral);
  EXPECT_FALSE(alice.wait("MESSAGE").empty());
}

TEST_F(Validation, AStrictRouterBeforeUs) {
  auto c = call(carol, bob, "sip:bob@p2psip.org");
  // Request-URI and Route as a strict router leaves them: ours on top, the target last.
  auto strict = carol.write({.method = "INFO",
                             .uri = "sip:p2psip.org;lr",
                             .from = c.caller.from,
                             .to = c.caller.to,
                             .call_id = c.caller.call_id,
                             .cseq = 2,
                             .routes = {c.caller.routes[1], "<" + c.caller.target + ">"}});
  carol.send(strict);
  auto in = bob.wait("INFO");
  ASSERT_FALSE(in.empty());
  EXPECT_TRUE(is(in, "INFO " + bob.contact() + " SIP/2.0")) << in;
  EXPECT_TRUE(headers(in, "Route").empty()) << in;
}

TEST_F(Validation, AStrictRouterAfterUs) {
  auto c = call(bob, carol, "sip:carol@example.com");
  auto& edge = world.outsider("sip:edge@example.net", p);
  c.caller.routes.push_back("<sip:" + edge.address.text() + ">");
  bob.in_dialogue(c.caller, "INFO");
  auto in = edge.wait("INFO");
  EXPECT_TRUE(is(in, "INFO sip:" + edge.address.text() + " SIP/2.0")) << in;
  EXPECT_EQ(values(in, "Route"), std::vector<std::string>{"<" + carol.contact() + ">"});
}

TEST_F(Validation, GruuNamesOneInstance) {
  auto& other = world.phone_of("bob", p);
  ASSERT_TRUE(other.enroll(3600, ";+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\""));
  carol.send(message("", "sip:bob@p2psip.org;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
  auto in = other.wait("MESSAGE");
  ASSERT_FALSE(in.empty());
  EXPECT_TRUE(is(in, "MESSAGE " + other.contact() + " SIP/2.0"));
  EXPECT_TRUE(bob.quiet());
  other.answer(in, 200);
  carol.wait("SIP/2.0 200");
  EXPECT_EQ(status_of(message("", "sip:bob@p2psip.org;gr=urn:uuid:00000000-0000-0000-0000-000000000000")),
            "480");
}

// A GRUU as Contact comes back as the Request-URI of the dialogue's requests, and is translated.
TEST_F(Validation, GruuWithinADialogue) {
  auto c = call(carol, bob, "sip:bob@p2psip.org");
  c.caller.target = "sip:bob@p2psip.org;gr=urn:x";
  carol.in_dialogue(c.caller, "INFO");
  auto in = bob.wait("INFO");
  EXPECT_TRUE(is(in, "INFO " + bob.contact() + " SIP/2.0")) << in;
}

TEST_F(Validation, PathIsFollowed) {
  auto& edge = world.outsider("sip:edge@example.net", p);
  auto& alice = world.phone_of("alice", p);
  alice.ask({.method = "REGISTER",
             .uri = "sip:p2psip.org",
             .extra = "Contact: <" + alice.contact() +
                      ">\r\nSupported: path\r\nPath: <sip:" + edge.address.text() + ";lr>\r\n",
             .to = "<sip:alice@p2psip.org>",
             .contact = false});
  ASSERT_FALSE(alice.wait("SIP/2.0 200").empty());
  carol.send(message("", "sip:alice@p2psip.org"));
  auto in = edge.wait("MESSAGE");
  ASSERT_FALSE(in.empty());
  EXPECT_TRUE(is(in, "MESSAGE " + alice.contact() + " SIP/2.0"));
  EXPECT_EQ(values(in, "Route"), std::vector<std::string>{"<sip:" + edge.address.text() + ";lr>"});
}

TEST_F(Validation, SipsGoesOverTlsOrNotAtAll) {
  EXPECT_EQ(status_of(message("", "sips:bob@p2psip.org")), "480");
  EXPECT_TRUE(bob.quiet());
}

TEST_F(Validation, AnAddressOfOursIsTheDomain) {
  carol.send(message("", "sip:bob@10.0.0.1:5060"));
  EXPECT_FALSE(bob.wait("MESSAGE").empty());
  // As a preloaded Route it is taken out, also by phones whose outbound proxy we are.
  bob.ask({.method = "MESSAGE", .uri = "sip:carol@example.com", .routes = {"<sip:10.0.0.1:5060;lr>"}});
  auto in = carol.wait("MESSAGE");
  EXPECT_TRUE(headers(in, "Route").empty()) << in;
}

// A member that takes it for a proxy peer is told so, and tries the next.
TEST_F(Validation, APeerWithoutTheRoleSendsNothingOut) {
  auto& pretender = world.peer({.pretends = true});
  auto& home = world.peer();
  auto& alice = world.phone("alice", home);
  for (int i = 0; i < 20; ++i) {
    alice.ask({.method = "MESSAGE", .uri = "sip:carol@example.com"});
    auto in = carol.wait("MESSAGE");
    ASSERT_FALSE(in.empty());
    carol.answer(in, 200);
    EXPECT_FALSE(alice.wait("SIP/2.0 200").empty());
    world.run(40s);
  }
  EXPECT_GT(pretender.count("proxy_refused_total"), 0u);
  EXPECT_EQ(pretender.count("proxy_forwarded_total"), 0u);
}

TEST(LoopHash, CoversWhatDecidesTheWay) {
  auto hash = [](std::string uri, std::string headers, std::uint64_t seed = 1) {
    sip::Message m;
    const std::string text = "OPTIONS " + uri +
                             " SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
                             "<sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n" +
                             headers + "Content-Length: 0\r\n\r\n";
    EXPECT_TRUE(m.parse(text));
    return loop_hash(m, seed);
  };
  const auto plain = hash("sip:a@b", "");
  EXPECT_EQ(plain, hash("sip:a@b", "Max-Forwards: 3\r\nSubject: x\r\n"));
  EXPECT_NE(plain, hash("sip:a@c", ""));
  EXPECT_NE(plain, hash("sip:a@b", "Route: <sip:x;lr>\r\n"));
  EXPECT_NE(plain, hash("sip:a@b", "", 2));
  EXPECT_NE(hash("sip:a@b", "Route: <sip:x;lr>\r\nRoute: <sip:y;lr>\r\n"),
            hash("sip:a@b", "Route: <sip:y;lr>\r\nRoute: <sip:x;lr>\r\n"));
}

}  // namespace
}  // namespace causeway::proxy::testing
