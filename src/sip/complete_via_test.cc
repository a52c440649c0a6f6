#include "sip/complete_via.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace causeway::sip {
namespace {

std::string completed(const std::string& via_line, const std::string& from) {
  const std::string message =
      "OPTIONS sip:b@c SIP/2.0\r\n" + via_line + "\r\nTo: <sip:b@c>\r\n\r\nbody;received=1";
  const auto via = find_top_via(message);
  if (!via) return "no Via";
  const auto source = *net::Address::parse(from);
  if (!needs_source(*via, source)) return "as it is";
  std::array<char, 1024> scratch;
  const std::string out(complete_via(message, *via, source, scratch));
  const auto at = out.find("\r\n") + 2;
  EXPECT_TRUE(out.ends_with("\r\nTo: <sip:b@c>\r\n\r\nbody;received=1"));
  return out.substr(at, out.find("\r\nTo:") - at);
}

TEST(CompleteVia, PutsInTheSource) {
  EXPECT_EQ(completed("Via: SIP/2.0/UDP 10.0.0.1;branch=z", "10.0.0.1:7"), "as it is");
  EXPECT_EQ(completed("Via: SIP/2.0/UDP h;branch=z", "10.0.0.1:7"),
            "Via: SIP/2.0/UDP h;branch=z;received=10.0.0.1");
  EXPECT_EQ(completed("Via: SIP/2.0/UDP h", "10.0.0.1:7"), "Via: SIP/2.0/UDP h;received=10.0.0.1");
  EXPECT_EQ(completed("v: SIP/2.0/UDP h:5;RPORT;branch=z ", "255.255.255.255:65535"),
            "v: SIP/2.0/UDP h:5;branch=z;received=255.255.255.255;rport=65535 ");
  EXPECT_EQ(completed("Via: SIP/2.0/UDP [2001:db8::2]:5060;branch=z", "[2001:db8::2]:7"), "as it is");
  EXPECT_EQ(completed("Via: SIP/2.0/UDP [2001:db8::3];rport", "[2001:db8::2]:7"),
            "Via: SIP/2.0/UDP [2001:db8::3];received=2001:db8::2;rport=7");
}

TEST(CompleteVia, TakesOutWhatTheSenderClaims) {
  EXPECT_EQ(completed("Via: SIP/2.0/UDP 10.0.0.1;received=9.9.9.9", "10.0.0.1:7"),
            "Via: SIP/2.0/UDP 10.0.0.1;received=10.0.0.1");
  EXPECT_EQ(completed("Via: SIP/2.0/UDP h; received = 9.9.9.9;rport =1;receivedx=2", "10.0.0.1:7"),
            "Via: SIP/2.0/UDP h;receivedx=2;received=10.0.0.1;rport=7");
  EXPECT_EQ(completed("Via: SIP/2.0/UDP h;a=\"\\\";received=1\";\r\n received=2;b", "10.0.0.1:7"),
            "Via: SIP/2.0/UDP h;a=\"\\\";received=1\";b;received=10.0.0.1");
}

TEST(CompleteVia, TouchesTheFirstValueOnly) {
  EXPECT_EQ(completed("Via: SIP/2.0/UDP h;x=\",\" , SIP/2.0/UDP i;received=1", "10.0.0.1:7"),
            "Via: SIP/2.0/UDP h;x=\",\";received=10.0.0.1 , SIP/2.0/UDP i;received=1");
}

TEST(CompleteVia, FindsTheFirstViaLine) {
  const auto found = [](std::string_view message) {
    const auto via = find_top_via(message);
    return via ? std::string(via->host) : "";
  };
  EXPECT_EQ(found("X\r\nSubject: a\r\n via: SIP/2.0/UDP no\r\nVIA\t: SIP/2.0/UDP yes\r\n\r\n"), "yes");
  EXPECT_EQ(found("X\r\nVia:\r\n SIP/2.0/UDP\r\n yes\r\n\r\n"), "yes");
  EXPECT_EQ(found("X\r\nViaduct: SIP/2.0/UDP no\r\nVi: SIP/2.0/UDP no\r\nv: SIP/2.0/UDP yes\r\n\r\n"), "yes");
  EXPECT_EQ(found("X\r\nTo: x\r\n\r\nVia: SIP/2.0/UDP body\r\n\r\n"), "");
  EXPECT_EQ(found("X\r\nVia: SIP/2.0/UDP cut-off"), "");
  EXPECT_EQ(found("X\r\nVia: HTTP/1.1 h\r\nVia: SIP/2.0/UDP second\r\n\r\n"), "");
  EXPECT_EQ(found(""), "");
  EXPECT_EQ(found("\n"), "");
  EXPECT_EQ(found("X\r\nV"), "");
}

}  // namespace
}  // namespace causeway::sip
