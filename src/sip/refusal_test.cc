#include "sip/refusal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "sip/complete_via.h"

namespace causeway::sip {
namespace {

const net::Address kSource{*net::Ip::parse("192.0.2.17"), 5999};

struct Lines {
  std::string via = "Via: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bKx1\r\n";
  std::string from = "From: \"A\" <sip:alice@p2psip.org>;tag=8f\r\n";
  std::string to = "To: \"Bob\" <sip:bob@p2psip.org>\r\n";
  std::string call_id = "Call-ID: 8312\r\n";
  std::string cseq = "CSeq: 7 INVITE\r\n";
  std::string other = "Contact: <sip:a@192.0.2.17>\r\nTimestamp: 4\r\nX-Faces: 1\r\n";
  std::string text(std::string_view method = "INVITE") const {
    return std::string(method) + " sip:bob@p2psip.org SIP/2.0\r\n" + via + other + from + to + call_id +
           cseq + "Content-Length: 5\r\n\r\nTo: x";
  }
};

class Refusing : public testing::Test {
 protected:
  std::string answer(const std::string& request) {
    const auto via = find_top_via(request);
    if (!via) return "no Via";
    return std::string(write_refusal(request, *via, kSource, secret).view());
  }
  const base::SipHash::Key secret{1, 2};
};

std::string value(const std::string& text, HeaderName name) {
  Message message;
  EXPECT_TRUE(message.parse(text)) << text;
  return std::string(message.value(name));
}

TEST_F(Refusing, RepeatsWhatItMust) {
  const std::string response = answer(Lines().text());
  Message message;
  ASSERT_TRUE(message.parse(response)) << response;
  EXPECT_EQ(message.status(), 503);
  EXPECT_EQ(message.value(HeaderName::via), "SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bKx1");
  EXPECT_EQ(message.value(HeaderName::from), "\"A\" <sip:alice@p2psip.org>;tag=8f");
  EXPECT_TRUE(message.value(HeaderName::to).starts_with("\"Bob\" <sip:bob@p2psip.org>;tag="));
  EXPECT_EQ(message.to_tag().size(), 17u);
  EXPECT_EQ(message.call_id(), "8312");
  EXPECT_EQ(message.value(HeaderName::cseq), "7 INVITE");
  EXPECT_EQ(message.value(HeaderName::content_length), "0");
  EXPECT_EQ(message.fields().size(), 7u);
  EXPECT_EQ(message.body(), "");
  EXPECT_EQ(message.bytes().size(), response.size());
  EXPECT_EQ(response.size() % limits::kRefusalStep, 0u);
}

TEST_F(Refusing, ViasInOrderAndNamesInAnyForm) {
  Lines lines;
  lines.via =
      "v: SIP/2.0/UDP 192.0.2.17;branch=z9hG4bKx2\r\nVIA : SIP/2.0/TCP a.example.com, SIP/2.0/TLS b\r\n";
  lines.from = "f: sip:alice@p2psip.org;tag=1\r\n";
  lines.to = "t: <sip:bob@p2psip.org>\r\n";
  lines.call_id = "i: abc@def\r\n";
  lines.other += "v: SIP/2.0/UDP c.example.com;branch=z9\r\n";
  const std::string response = answer(lines.text());
  Message message;
  ASSERT_TRUE(message.parse(response)) << response;
  std::string hosts;
  for_each_value(message, HeaderName::via, [&](std::string_view via) {
    hosts.append(parse_via(via)->host).append(" ");
    return true;
  });
  EXPECT_EQ(hosts, "192.0.2.17 a.example.com b c.example.com ");
  EXPECT_EQ(message.from_tag(), "1");
  EXPECT_EQ(message.call_id(), "abc@def");
}

TEST_F(Refusing, TheTopViaSaysWhereItCameFrom) {
  Lines lines;
  lines.via = "Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx, SIP/2.0/UDP b.example.com\r\n";
  EXPECT_EQ(
      value(answer(lines.text()), HeaderName::via),
      "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;received=192.0.2.17;rport=5999, SIP/2.0/UDP b.example.com");
}

TEST_F(Refusing, LeavesTheUnusualToTheParser) {
  const auto with = [](std::string Lines::*line, std::string text) {
    Lines lines;
    lines.*line = std::move(text);
    return lines.text();
  };
  for (const std::string& request :
       {with(&Lines::via, "Via:\r\n SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\n"),
        with(&Lines::via, "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n ;rport\r\n"),
        with(&Lines::to, "To: <sip:bob@p2psip.org>;tag=1\r\n"),
        with(&Lines::to, "To: sip:b@d;tag=1;x=<y>\r\n"), with(&Lines::to, "To: <sip:b@d>;tag=1>\r\n"),
        with(&Lines::to, "To: sip:b@d>\r\n"), with(&Lines::to, "To: sip:bob@p2psip.org\r\n"),
        with(&Lines::to, "To: <sip:bob@p2psip.org>;x=\"<>\"\r\n"), with(&Lines::to, ""),
        with(&Lines::to, "To: <sip:b@d>\r\nt: <sip:b@d>\r\n"),
        with(&Lines::from, "From: <sip:a@d>\r\n ;tag=1\r\n"), with(&Lines::call_id, ""),
        with(&Lines::cseq, ""), with(&Lines::cseq, "CSeq: 1\nINVITE\r\n"),
        with(&Lines::other, "Subject: a\r\n b\r\n"), with(&Lines::other, "Subject: \x01\r\n"),
        with(&Lines::other, "Subject: a\rb\r\n"), Lines().text().substr(0, 180)})
    EXPECT_EQ(answer(request), "") << request;
}

TEST_F(Refusing, AlwaysTheSameToTheSameAndAtRandomToOthers) {
  std::set<std::string> tags, times;
  for (int i = 0; i < 200; ++i) {
    Lines lines;
    lines.via = "Via: SIP/2.0/UDP 192.0.2.17;branch=z9hG4bK" + std::to_string(i) + "\r\n";
    const std::string response = answer(lines.text());
    EXPECT_EQ(answer(lines.text()), response);
    tags.insert(value(response, HeaderName::to));
    times.insert(value(response, HeaderName::retry_after));
  }
  EXPECT_EQ(tags.size(), 200u);
  EXPECT_EQ(times, (std::set<std::string>{"2", "3", "4", "5", "6", "7", "8", "9", "10"}));
}

TEST_F(Refusing, KnowsItsAcks) {
  const auto knows = [&](const std::string& ack, const net::Address& from = kSource) {
    return acknowledges_stateless(ack, from.ip, secret);
  };
  Lines lines;
  const std::string to = value(answer(lines.text()), HeaderName::to);
  lines.cseq = "CSeq: 7 ACK\r\n";
  EXPECT_FALSE(knows(lines.text("ACK")));
  lines.to = "To: <sip:bob@p2psip.org>;tag=8ac6\r\n";
  EXPECT_FALSE(knows(lines.text("ACK")));
  lines.to = "t: " + to + "\r\n";
  const std::string ack = lines.text("ACK");
  EXPECT_TRUE(knows(ack));
  EXPECT_FALSE(knows(ack, {*net::Ip::parse("192.0.2.18"), 5060}));
  for (std::size_t length = 0; length < ack.find("Call-ID"); ++length)
    EXPECT_FALSE(knows(ack.substr(0, length)));
  lines.via = "Via: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bKx2\r\n";
  EXPECT_FALSE(knows(lines.text("ACK")));
  lines.via = "Via: SIP/2.0/UDP a;branch=z9hG4bKx1, SIP/2.0/UDP b\r\n";
  EXPECT_FALSE(knows(lines.text("ACK")));  // the parser will see
}

TEST_F(Refusing, WhatBeginsSomething) {
  EXPECT_EQ(begins(method_in("INVITE sip:a SIP/2.0")), Begins::something);
  EXPECT_EQ(begins(method_in("FOO sip:a SIP/2.0")), Begins::something);
  EXPECT_EQ(begins(method_in("REGISTER sip:a SIP/2.0")), Begins::registration);
  for (const char* in_dialogue : {"ACK x", "BYE x", "CANCEL x", "PRACK x", "UPDATE x", "INFO x"})
    EXPECT_EQ(begins(method_in(in_dialogue)), Begins::nothing);
}

}  // namespace
}  // namespace causeway::sip
