#include "anchor/destinations.h"

#include <gtest/gtest.h>

namespace causeway::anchor {
namespace {

net::Ip own_address() {
  for (const net::Ip& ip : net::interface_addresses())
    if (!ip.is_v4() || ip.v4_value() >> 24 != 127) return ip;
  return *net::Ip::parse("::1");
}

struct Kept {
  bool rtp = false;
  std::size_t candidates = 0;
};
// Of a description that names this address.
Kept kept(const std::string& address, const std::vector<net::Range>& allowed = {}) {
  base::Metrics metrics;
  auto& refused = metrics.counter("refused", "");
  const Destinations destinations(allowed, refused);
  const net::Address named{*net::Ip::parse(address), 4000};
  ua::RemoteMedia plain, ice;
  plain.rtp = plain.rtcp.emplace(named);
  ice.ice.emplace();
  ice.candidates = ice.rtcp_candidates = {{.address = named}};
  const Kept result{destinations.narrow(plain), (destinations.narrow(ice), ice.candidates.size())};
  EXPECT_EQ(result.rtp, plain.rtp.port != 0);
  EXPECT_EQ(result.rtp, plain.rtcp.has_value());
  EXPECT_EQ(ice.candidates.size(), ice.rtcp_candidates.size());
  EXPECT_EQ(refused.value, (result.rtp ? 0u : 2u) + (result.candidates ? 0u : 2u));
  return result;
}

TEST(Destinations, TheWorldAndPrivateNetworks) {
  for (const char* ip :
       {"8.8.8.8", "10.1.2.3", "172.16.0.9", "192.168.7.7", "100.64.0.1", "2a00::1", "fd00::1"}) {
    EXPECT_TRUE(kept(ip).rtp) << ip;
    EXPECT_EQ(kept(ip).candidates, 1u) << ip;
  }
}

TEST(Destinations, NotTheMachineNorItsWire) {
  for (const char* ip :
       {"127.0.0.1", "127.9.9.9", "169.254.169.254", "::1", "fe80::1", "::ffff:8.8.8.8", "::127.0.0.1"}) {
    EXPECT_FALSE(kept(ip).rtp) << ip;
    EXPECT_EQ(kept(ip).candidates, 0u) << ip;
  }
}

// Two such phones at one peer: each side's candidates are this machine's.
TEST(Destinations, ThisMachineOnlyIfItAnswers) {
  const net::Ip own = own_address();
  if (own == *net::Ip::parse("::1")) return;  // a machine without a network
  EXPECT_FALSE(kept(own.text()).rtp);
  EXPECT_EQ(kept(own.text()).candidates, 1u);
}

TEST(Destinations, WhatTheOperatorNames) {
  EXPECT_TRUE(kept("127.0.0.1", {*net::Range::parse("127.0.0.0/8")}).rtp);
  EXPECT_EQ(kept("127.0.0.1", {*net::Range::parse("127.0.0.0/8")}).candidates, 1u);
  EXPECT_TRUE(kept(own_address().text(), {{own_address(), 32}}).rtp);
}

}  // namespace
}  // namespace causeway::anchor
