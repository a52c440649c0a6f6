#include "sip/headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace causeway::sip {
namespace {

std::vector<std::string> values(std::string_view field, bool expect = true) {
  std::vector<std::string> all;
  EXPECT_EQ(expect, for_each_value(field,
                                   [&](std::string_view v) {
                                     all.emplace_back(v);
                                     return true;
                                   }))
      << field;
  return all;
}
using List = std::vector<std::string>;

TEST(Lists, CommasThatCount) {
  EXPECT_EQ(values("a, b ,c"), (List{"a", "b", "c"}));
  EXPECT_EQ(values("<sip:a,b@c;x>,\r\n \"x, \\\"y\" <sip:d>;p=\",\", sip:e"),
            (List{"<sip:a,b@c;x>", "\"x, \\\"y\" <sip:d>;p=\",\"", "sip:e"}));
  EXPECT_EQ(values(""), List{});
}

TEST(Lists, Malformed) {
  for (std::string_view field : {",", "a,", ",a", "a,,b", "a, ,b", "\"x", "<sip:a", "a, \"x\\\"", "\""})
    values(field, false);
}

TEST(Lists, StopsWhenTold) {
  int seen = 0;
  EXPECT_TRUE(for_each_value("a,b,,", [&](std::string_view) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2);
}

TEST(Via, Typical) {
  auto v = parse_via("SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776;rport;received=192.0.2.1");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->transport, net::Transport::udp);
  EXPECT_EQ(v->host, "pc33.atlanta.com");
  EXPECT_EQ(v->port, 5066);
  EXPECT_EQ(v->branch, "z9hG4bK776");
  EXPECT_TRUE(v->has_rport);
  EXPECT_EQ(v->params.get("RECEIVED"), "192.0.2.1");
  EXPECT_EQ(v->params.get("rport"), "");
}

TEST(Via, WhatTransportsLookFor) {
  auto v = parse_via("SIP/2.0/UDP h;branch=z9hG4bK1");
  ASSERT_TRUE(v);
  EXPECT_FALSE(v->has_received);
  EXPECT_EQ(v->maddr, "");
  v = parse_via("SIP/2.0/UDP h;Received=1.2.3.4;MADDR=224.2.0.1;maddr=192.0.2.1");
  ASSERT_TRUE(v);
  EXPECT_TRUE(v->has_received);
  EXPECT_EQ(v->maddr, "224.2.0.1");
}

// Where a value ends is looked for 16 bytes at a time.
TEST(Params, ValuesOfAllLengths) {
  for (std::size_t length = 0; length < 40; ++length)
    for (std::string_view after : {"", ";next=1", " ;next=1", "\t;next=1", "\r\n ;next=1"}) {
      const std::string value(length, 'v');
      const std::string text = ";a=" + value + std::string(after);
      EXPECT_EQ(Params{text}.get("a"), value) << text;
      EXPECT_EQ(Params{text}.has("next"), !after.empty()) << text;
    }
  EXPECT_FALSE(well_formed({";a=0123456789abcdef,b"}));
  EXPECT_FALSE(well_formed({";a=0123456789abcdef\"b\""}));
}

// RFC 4475 3.1.1.1
TEST(Via, TheUsualFormIsReadAsAnyOther) {
  for (std::string_view text :
       {"SIP/2.0/UDP h", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP h:1;RPORT=5060;Branch=a",
        "SIP/2.0/UDP a_b.c-d:65535;received=[2001:db8::1];maddr=1.2.3.4;maddr=5;branch=a;branch=b",
        "SIP/2.0/UDP h;branch;rport=;received;maddr", "SIP/2.0/UDP h:00080;branch==;branch=x"}) {
    const auto usual = usual_via(text);
    const auto any = parse_any_via(text);
    ASSERT_TRUE(usual && any) << text;
    EXPECT_EQ(usual->text, text);
    EXPECT_EQ(usual->text, any->text);
    EXPECT_EQ(usual->transport_text, any->transport_text);
    EXPECT_EQ(usual->transport, any->transport);
    EXPECT_EQ(usual->host, any->host);
    EXPECT_EQ(usual->port, any->port);
    EXPECT_EQ(usual->params.text, any->params.text);
    EXPECT_EQ(usual->branch, any->branch);
    EXPECT_EQ(usual->maddr, any->maddr);
    EXPECT_EQ(usual->has_rport, any->has_rport);
    EXPECT_EQ(usual->has_received, any->has_received);
  }
  // Left to the grammar, or no Via.
  for (std::string_view text :
       {"SIP/2.0/TCP h", "SIP/2.0/UDP  h", "SIP/2.0/UDP [::1]", "SIP/2.0/UDP h:", "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h:000080", "SIP/2.0/UDP h;i=1", "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;rport", "SIP/2.0/UDP h;rportx", "SIP/2.0/UDP ;rport", "SIP/2.0/UDP ", ""})
    EXPECT_FALSE(usual_via(text)) << text;
  EXPECT_EQ(usual_via("SIP/2.0/UDP h;branch=a, SIP/2.0/UDP i")->text, "SIP/2.0/UDP h;branch=a");
  EXPECT_EQ(usual_via("SIP/2.0/UDP h ;branch=a")->text, "SIP/2.0/UDP h");
}

TEST(Via, TortureWhiteSpace) {
  auto v = parse_via("SIP  / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->host, "192.0.2.2");
  EXPECT_EQ(v->branch, "390skdjuw");
  v = parse_via("SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->transport, net::Transport::tcp);
  EXPECT_EQ(v->host, "spindle.example.com");
  EXPECT_EQ(v->branch, "z9hG4bK9ikj8");
  v = parse_via("SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->branch, "z9hG4bK30239");
}

// RFC 4475 3.1.1.10, RFC 5118 4.5
TEST(Via, OtherTransportsAndV6) {
  auto v = parse_via("SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bKt5");
  ASSERT_TRUE(v);
  EXPECT_FALSE(v->transport);
  EXPECT_EQ(v->transport_text, "UNKNOWN");
  v = parse_via("SIP/2.0/TLS [2001:db8::9:1]:5061;received=[2001:db8::9:255];branch=z9hG4bKas3-111");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->transport, net::Transport::tls);
  EXPECT_EQ(v->host, "[2001:db8::9:1]");
  EXPECT_EQ(v->params.get("received"), "[2001:db8::9:255]");
  v = parse_via("SIP/2.0/UDP h;received=2001:db8::9:255");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->params.get("received"), "2001:db8::9:255");
}

TEST(Via, Refused) {
  for (std::string_view text :
       {"", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP//UDP h", "HTTP/2.0/UDP h", "SIP/2.0 UDP h", "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h:x", "SIP/2.0/UDP [::1", "SIP/2.0/UDP h;=x",
        "SIP/2.0/UDP h;a=\"b", "SIP/2.0/UDP h x", "SIP/2.0/UDP ;branch=x", "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP h;a=b c", "SIP/2.0/UDP h;branch=z9hG4bK<1", "SIP/2.0/UDP h;x=<a;b>"})
    EXPECT_FALSE(parse_via(text)) << text;
  EXPECT_TRUE(parse_via("SIP/2.0/UDP h;x=\"<a;b>\""));
}

NameAddr address(std::string_view text) {
  auto a = parse_name_addr(text);
  EXPECT_TRUE(a) << text << ": " << (a ? "" : a.error().what);
  return a.value_or(NameAddr{});
}

TEST(NameAddr, Forms) {
  NameAddr a = address("\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s");
  EXPECT_EQ(a.display, "\"A. G. Bell\"");
  EXPECT_EQ(a.uri.user, "agb");
  EXPECT_EQ(a.params.get("tag"), "a48s");
  EXPECT_TRUE(a.in_brackets);
  a = address("sip:+12125551212@server.phone2net.com;tag=887s");
  EXPECT_FALSE(a.in_brackets);
  EXPECT_EQ(a.uri.params, "");  // 20.10: they are the header's
  EXPECT_EQ(a.params.get("tag"), "887s");
  a = address("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8");
  EXPECT_EQ(a.display, "Anonymous");
  EXPECT_EQ(address("caller<sip:caller@example.com>;tag=323").display, "caller");  // RFC 4475 3.1.1.6
  EXPECT_EQ(address("<sip:a@b;lr>").uri.params, "lr");
  EXPECT_EQ(address("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n").params.get("tag"),
            "1918181833n");
  a = address(
      "\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n newvalue ;\r\n  secondparam ; q "
      "= 0.33");
  EXPECT_EQ(a.params.get("q"), "0.33");
  EXPECT_EQ(a.params.get("secondparam"), "");
  EXPECT_EQ(
      address("token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"x<y\";tag=1")
          .params.get("tag"),
      "1");
  EXPECT_EQ(address("\"<\" <sip:a@b>").uri.user, "a");
  EXPECT_EQ(address("sip:a@b;x=\"<sip:c@d>\"").params.get("x"), "<sip:c@d>");
  EXPECT_EQ(address("J\xc3\xb6rg <sip:j@b>").display, "J\xc3\xb6rg");
  EXPECT_EQ(address("<tel:+1>;tag=x").params.get("tag"), "x");
}

TEST(NameAddr, Refused) {
  for (std::string_view text :
       {"", "<>", "<sip:a@b", "\"x <sip:a@b>",
        "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",  // 3.1.2.15
        "\"Watson, Thomas\" < sip:t.watson@example.org >",    // 3.1.2.14
        "\"Mr. J. User <sip:j.user@example.com>",             // 3.1.2.6
        "\"\" <> ;,\"\",,,",                                  // 3.1.2.1
        "sip:user@example.com?Route=%3Csip:example.com%3E",   // 3.1.2.13
        "<sip:a@b> tag=x", "<sip:a@b>;=x", "<sip:a@b>;x=\"y", "a <b> <sip:a@b>", "*", "sip:a,b@c"})
    EXPECT_FALSE(parse_name_addr(text)) << text;
}

TEST(NameAddr, ParamsAlone) {
  EXPECT_EQ(address_params("<unknown scheme>;tag=x").get("tag"), "x");
  EXPECT_EQ(address_params("\";tag=no\" <sip:a;tag=no>;tag=yes").get("tag"), "yes");
  EXPECT_FALSE(address_params("<sip:a;tag=no>").get("tag"));
  EXPECT_FALSE(address_params("").get("tag"));
}

TEST(Contact, Star) {
  EXPECT_TRUE(parse_contact(" * ")->is_star);
  EXPECT_FALSE(parse_contact("<sip:a@b>")->is_star);
  EXPECT_FALSE(parse_contact("*;expires=0"));
  EXPECT_FALSE(parse_contact("**"));
}

TEST(CSeq, Values) {
  auto c = parse_cseq("0009\r\n  INVITE");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->number, 9u);
  EXPECT_EQ(c->method, Method::invite);
  c = parse_cseq("4294967295 !interesting-Method0123456789_*+`.%indeed'~");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->number, 4294967295u);
  EXPECT_EQ(c->method, Method::other);
  EXPECT_EQ(parse_cseq("1 invite")->method, Method::other);  // case counts: 7.1
  for (std::string_view bad : {"", "1", "INVITE", "1INVITE", "4294967296 INVITE", "-1 INVITE", "1 INV ITE",
                               "1 ", "36893488147419103232 REGISTER", "0x1 ACK"})
    EXPECT_FALSE(parse_cseq(bad)) << bad;
}

TEST(Numbers, SecondsAndQ) {
  EXPECT_EQ(parse_delta_seconds("3600"), 3600u);
  EXPECT_EQ(parse_delta_seconds(" 0 "), 0u);
  EXPECT_EQ(parse_delta_seconds("4294967296"), 4294967295u);
  EXPECT_EQ(parse_delta_seconds("10000000000000000000000000000000000000"), 4294967295u);
  for (std::string_view bad : {"", "-1", "1 2", "1x", "0x10", "Thu, 01 Dec 1994 16:00:00 GMT"})
    EXPECT_FALSE(parse_delta_seconds(bad)) << bad;
  EXPECT_EQ(parse_q("1"), 1000);
  EXPECT_EQ(parse_q("0.33"), 330);
  EXPECT_EQ(parse_q("0.007"), 7);
  EXPECT_EQ(parse_q("1.000"), 1000);
  EXPECT_EQ(parse_q("0."), 0);
  for (std::string_view bad : {"", "2", "1.001", "0.1234", "-1", ".5", "0,5", "0.x", "10"})
    EXPECT_FALSE(parse_q(bad)) << bad;
}

TEST(Tokens, HasToken) {
  EXPECT_TRUE(has_token("path, OutBound ,gruu", "outbound"));
  EXPECT_FALSE(has_token("path,outboundx", "outbound"));
  EXPECT_FALSE(has_token("", "outbound"));
  EXPECT_TRUE(has_token(",,a", "a"));
}

TEST(Quotes, BothWays) {
  EXPECT_EQ(unquote("\"a \\\"b\\\\\""), "a \"b\\");
  EXPECT_EQ(unquote("plain"), "plain");
  EXPECT_EQ(unquote("\""), "\"");
  EXPECT_EQ(unquote("\"\\\""), "\\");
  EXPECT_EQ(quote("a\"b\\"), "\"a\\\"b\\\\\"");
  EXPECT_EQ(unquote(quote("x\"\\y")), "x\"\\y");
}

}  // namespace
}  // namespace causeway::sip
