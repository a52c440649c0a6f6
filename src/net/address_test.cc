#include "net/address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <unordered_set>

namespace causeway::net {
namespace {

TEST(Ip, ReadsNumericFormsOnly) {
  EXPECT_EQ(Ip::parse("192.0.2.1"), Ip::v4(0xc0000201));
  EXPECT_EQ(Ip::parse("0.10.255.100"), Ip::v4(0x000aff64));
  EXPECT_EQ(Ip::parse("[2001:db8::1]"), Ip::parse("2001:DB8:0:0::1"));
  EXPECT_TRUE(Ip::parse("::ffff:192.0.2.1")->is_v6());
  EXPECT_EQ(Ip::parse("[2001:db8:::192.0.2.1]"), Ip::parse("2001:db8::c000:201"));
  for (const char* bad : {"",
                          "192.0.2",
                          "192.0.2.256",
                          "192.0.2.1 ",
                          "example.com",
                          "[192.0.2.1]",
                          "[",
                          "[]",
                          ":::",
                          "2001:db8:::1",
                          ":::1.2.3",
                          "1.2.3.4:5",
                          "fe80::1%lo",
                          "2001:db8::1::2",
                          "0x7f.1",
                          "127.1",
                          "1.2.3.04",
                          "1.2.3.0004",
                          "1.2..4",
                          ".1.2.3",
                          "1.2.3.4.",
                          "1.2.3.4.5",
                          "1.2.3.-4",
                          "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"})
    EXPECT_FALSE(Ip::parse(bad)) << bad;
  EXPECT_FALSE(Ip::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(Ip, WritesCanonicalText) {
  EXPECT_EQ(Ip::parse("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(Ip::parse("192.0.2.1")->uri_text(), "192.0.2.1");
  EXPECT_EQ(Ip::parse("2001:0db8:0:0:0:0:0:1")->text(), "2001:db8::1");
  EXPECT_EQ(Ip::parse("2001:db8::1")->uri_text(), "[2001:db8::1]");
}

TEST(Ip, KnowsSpecialAddresses) {
  EXPECT_TRUE(Ip().is_unspecified());
  EXPECT_TRUE(Ip::parse("::")->is_unspecified());
  EXPECT_FALSE(Ip::parse("::1")->is_unspecified());
  EXPECT_TRUE(Ip::parse("127.3.2.1")->is_loopback());
  EXPECT_TRUE(Ip::parse("::1")->is_loopback());
  EXPECT_FALSE(Ip::parse("::2")->is_loopback());
  EXPECT_FALSE(Ip::parse("1::1")->is_loopback());
  EXPECT_NE(*Ip::parse("0.0.0.0"), *Ip::parse("::"));
}

TEST(Ip, ASourceIsAnAddressOrAPrefix) {
  const auto source = [](const char* text) { return Ip::parse(text)->source(); };
  EXPECT_EQ(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
  EXPECT_NE(source("192.0.2.1"), source("192.0.2.2"));
  EXPECT_NE(source("184.13.1.32"), source("2001:db8:100::"));
  for (const char* text : {"::", "0.0.0.0", "::1"}) EXPECT_NE(source(text), 0u) << text;
}

TEST(Address, ReadsAndWrites) {
  EXPECT_EQ(Address::parse("192.0.2.1:5060")->text(), "192.0.2.1:5060");
  EXPECT_EQ(Address::parse("[2001:db8::1]:5061")->text(), "[2001:db8::1]:5061");
  EXPECT_EQ(Address::parse("192.0.2.1", 5060)->port, 5060);
  EXPECT_EQ(Address::parse("2001:db8::1", 5060)->text(), "[2001:db8::1]:5060");
  EXPECT_EQ(Address::parse("[::]:0")->port, 0);
}

TEST(Address, ErrorsSayWhatIsMissing) {
  for (const char* bad : {"192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:5060x",
                          "[::1", "[::1]5060", "localhost:5060", "", ":5060", "192.0.2.1:+5"})
    EXPECT_FALSE(Address::parse(bad)) << bad;
  EXPECT_NE(Address::parse("192.0.2.1").error().message.find("192.0.2.1:5060"), std::string::npos);
  EXPECT_NE(Address::parse("192.0.2.1:99999").error().message.find("'99999'"), std::string::npos);
}

TEST(Address, GoesThroughSockaddr) {
  for (const char* text : {"192.0.2.1:5060", "[2001:db8::1]:65535"}) {
    const Address address = *Address::parse(text);
    sockaddr_storage storage{};
    EXPECT_EQ(address.to_sockaddr(storage), address.ip.is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_EQ(Address::from_sockaddr(reinterpret_cast<sockaddr&>(storage)), address);
  }
}

TEST(Address, HashesSpread) {
  std::unordered_set<std::size_t> seen;
  for (std::uint32_t i = 0; i < 256; ++i)
    for (std::uint16_t port = 5060; port < 5064; ++port)
      seen.insert(std::hash<Address>{}({Ip::v4(0x0a000000 + i), port}) & 0xffff);
  EXPECT_GT(seen.size(), 1000u);  // 1,024 values in 65,536 places: about 1,016 expected
  EXPECT_NE(std::hash<Ip>{}(*Ip::parse("0.0.0.0")), std::hash<Ip>{}(*Ip::parse("::")));
}

TEST(Endpoint, ReadsAndWrites) {
  const Endpoint endpoint = *Endpoint::parse("tcp:192.0.2.1:5062");
  EXPECT_EQ(endpoint.transport, Transport::tcp);
  EXPECT_EQ(endpoint.text(), "tcp:192.0.2.1:5062");
  EXPECT_EQ(Endpoint::parse("TLS:[::1]")->text(), "tls:[::1]:5061");
  EXPECT_EQ(Endpoint::parse("udp:192.0.2.1")->address.port, 5060);
  for (const char* bad : {"", "udp", "192.0.2.1:5060", "sctp:192.0.2.1:5060", "udp:", "udp:example.com:5060"})
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
}

TEST(Transport, Names) {
  EXPECT_EQ(parse_transport("UdP"), Transport::udp);
  EXPECT_EQ(parse_transport("ws"), std::nullopt);
  EXPECT_EQ(parse_transport(""), std::nullopt);
  EXPECT_EQ(transport_via_name(Transport::tls), "TLS");
}

}  // namespace
}  // namespace causeway::net
