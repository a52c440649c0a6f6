#include "ua/candidate.h"

#include <gtest/gtest.h>

namespace causeway::ua {
namespace {

TEST(CandidateTest, AreReadAndWritten) {
  // RFC 8839 5.1's own, and one of a browser with what it adds.
  for (const std::string_view text : {
           "1 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
           "1 1 udp 2130706431 2001:db8::8 45664 typ host",
           "a+/9 2 udp 1 198.51.100.1 9 typ relay raddr 0.0.0.0 rport 0",
           "2 256 udp 2147483647 10.0.0.1 65535 typ prflx",
       }) {
    const auto read = parse_candidate(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(write(*read), text);
  }
  const auto read = parse_candidate(
      "842163049 1 UDP 1677729535 198.51.100.7 46154 typ srflx raddr 10.0.17.1 rport 46154 generation 0 "
      "ufrag EEtu "
      "network-cost 999");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->type, Candidate::Type::server_reflexive);
  EXPECT_EQ(read->address, *net::Address::parse("198.51.100.7:46154"));
  EXPECT_EQ(read->related, *net::Address::parse("10.0.17.1:46154"));
}

TEST(CandidateTest, WhatIsRefused) {
  const std::string good[] = {"1", "1", "udp", "99", "192.0.2.1", "4000", "typ", "host"};
  const auto refused = [&](std::size_t word, const std::string& instead) {
    std::string text;
    for (std::size_t i = 0; i < std::size(good); ++i) text += (i == word ? instead : good[i]) + ' ';
    const auto read = parse_candidate(text);
    return read ? std::string("accepted") : read.error().message;
  };
  EXPECT_EQ(refused(99, ""), "accepted");
  EXPECT_EQ(refused(0, "a-b").find("ICE candidate: expected a foundation"), 0u);
  EXPECT_EQ(refused(0, std::string(33, 'a')).find("ICE candidate: expected a foundation"), 0u);
  for (const std::string component : {"0", "257", "-1", "x", "4294967297"})
    EXPECT_EQ(refused(1, component).find("ICE candidate: expected a component"), 0u);
  EXPECT_EQ(refused(2, "tcp").find("ICE candidate: expected UDP"), 0u);
  for (const std::string priority : {"0", "2147483648", "99999999999999999999", "1e3"})
    EXPECT_EQ(refused(3, priority).find("ICE candidate: expected a priority"), 0u);
  for (const std::string ip : {"host.example.org", "0a1b2c3d-0000.local", "192.0.2.1.5", "192.0.2.999"})
    EXPECT_EQ(refused(4, ip).find("ICE candidate: expected an address and a port"), 0u);
  for (const std::string port : {"65536", "-1", "sip"})
    EXPECT_EQ(refused(5, port).find("ICE candidate: expected an address and a port"), 0u);
  EXPECT_EQ(refused(6, "type").find("ICE candidate: expected typ"), 0u);
  EXPECT_EQ(refused(7, "mobile").find("ICE candidate: expected typ"), 0u);
  EXPECT_FALSE(parse_candidate(""));
}

TEST(CandidateTest, AddressesToWhichNobodyHasAReasonToSend) {
  const auto good = [](std::string_view ip, std::uint16_t port) {
    return is_destination({net::Ip::parse(ip).value(), port});
  };
  EXPECT_TRUE(good("192.0.2.1", 9));
  EXPECT_TRUE(good("10.0.0.1", 4000));
  EXPECT_TRUE(good("2001:db8::1", 4000));
  EXPECT_TRUE(good("64:ff9b::192.0.2.1", 4000));
  EXPECT_FALSE(good("192.0.2.1", 0));
  for (const std::string_view ip :
       {"0.0.0.0", "0.1.2.3", "224.0.0.1", "233.252.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1",
        "::ffff:224.0.0.1", "64:ff9b::255.255.255.255"})
    EXPECT_FALSE(good(ip, 4000)) << ip;
}

}  // namespace
}  // namespace causeway::ua
