#include "net/address_policy.h"

#include <gtest/gtest.h>

#include <set>

namespace causeway::net {
namespace {

using Verdict = AddressPolicy::Verdict;

Ip ip(std::string_view text) {
  const auto parsed = Ip::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Ip());
}
Range range(std::string_view text) { return Range::parse(text).value(); }

TEST(AddressPolicy, FirstAndLastOfEverySpecialRangeAndTheirNeighbours) {
  const struct {
    const char *before, *first, *last, *after;  // "": no neighbour that is allowed
  } kRows[] = {
      {"", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
      {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
      {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
      {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
      {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
      {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
      {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
      {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
      {"192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"},
      {"192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"},
      {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
      {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
      {"192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"},
      {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
      {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
      {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
      {"223.255.255.255", "224.0.0.0", "239.255.255.255", ""},
      {"", "240.0.0.0", "255.255.255.255", ""},
      {"", "0:0:0:1::", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100:0:0:1::"},
      {"", "100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::"},
      {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
       "2001:200::"},
      {"2001:db7:ffff::1", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
      {"2620:4f:7fff::1", "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::"},
      {"3ffe:ffff::1", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
      {"5eff:ffff::1", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f01::"},
      {"fbff:ffff::1", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
      {"fe7f:ffff::1", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
      {"", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
      {"", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
  };
  const std::set<std::string_view> of_sites = {"10.0.0.0", "100.64.0.0", "172.16.0.0", "192.168.0.0",
                                               "fc00::"};
  const AddressPolicy policy;
  for (const auto& row : kRows) {
    const Verdict expected = of_sites.contains(row.first) ? Verdict::site : Verdict::special;
    EXPECT_EQ(policy.judge(ip(row.first)), expected) << row.first;
    EXPECT_EQ(policy.judge(ip(row.last)), expected) << row.last;
    for (const char* neighbour : {row.before, row.after}) {
      if (*neighbour) EXPECT_EQ(policy.judge(ip(neighbour)), Verdict::allowed) << neighbour;
    }
  }
}

TEST(AddressPolicy, Ipv4InIpv6IsUnwrappedAndRefused) {
  const struct {
    const char *wrapped, *inside;
  } kRows[] = {
      {"::", "0.0.0.0"},
      {"::1", "0.0.0.1"},
      {"::127.0.0.1", "127.0.0.1"},
      {"::8.8.8.8", "8.8.8.8"},
      {"::ffff:127.0.0.1", "127.0.0.1"},
      {"::ffff:10.0.0.1", "10.0.0.1"},
      {"::ffff:8.8.8.8", "8.8.8.8"},
      {"::ffff:0:192.168.0.1", "192.168.0.1"},
      {"64:ff9b::169.254.169.254", "169.254.169.254"},
      {"64:ff9b::8.8.8.8", "8.8.8.8"},
      {"64:ff9b:1::10.0.0.1", "10.0.0.1"},
      {"64:ff9b:1:ffff:ffff:ffff:a00:1", "10.0.0.1"},
      {"2001:0:5ef5:79fb:0:0:f5ff:fffe", "10.0.0.1"},
      {"2001:0:5ef5:79fb:0:0:f7f7:f7f7", "8.8.8.8"},
      {"2002:7f00:1::", "127.0.0.1"},
      {"2002:808:808::1", "8.8.8.8"},
      {"2a00::5efe:10.0.0.1", "10.0.0.1"},
      {"2a00::200:5efe:8.8.8.8", "8.8.8.8"},
  };
  AddressPolicy policy;
  for (const auto& row : kRows) {
    EXPECT_EQ(unwrap(ip(row.wrapped)), ip(row.inside)) << row.wrapped;
    EXPECT_EQ(policy.judge(ip(row.wrapped)), Verdict::wrapped) << row.wrapped;
  }
  // Not even when everything is allowed.
  policy.allow({range("0.0.0.0/0"), range("::/0")});
  for (const auto& row : kRows) EXPECT_EQ(policy.judge(ip(row.wrapped)), Verdict::wrapped) << row.wrapped;
  for (const char* plain : {"8.8.8.8", "2a00::1", "2a00::5eff:10.0.0.1", "2003::1", "64:ff9c::1"})
    EXPECT_FALSE(unwrap(ip(plain))) << plain;
}

TEST(AddressPolicy, WhatTheOperatorAllows) {
  AddressPolicy policy;
  policy.allow({range("10.1.0.0/16"), range("fd00::/8"), range("127.0.0.1")});
  EXPECT_TRUE(policy.allows(ip("10.1.255.255")));
  EXPECT_FALSE(policy.allows(ip("10.2.0.0")));
  EXPECT_TRUE(policy.allows(ip("fd12::1")));
  EXPECT_FALSE(policy.allows(ip("fc12::1")));
  EXPECT_TRUE(policy.allows(ip("127.0.0.1")));
  EXPECT_FALSE(policy.allows(ip("127.0.0.2")));
  EXPECT_FALSE(policy.allows(ip("::ffff:10.1.0.1")));
}

TEST(AddressPolicy, OwnAddressesAreRefusedUnlessNamed) {
  AddressPolicy policy;
  policy.set_own({ip("8.8.4.4"), ip("2a00::1"), ip("10.0.0.1"), ip("127.0.0.1")});
  EXPECT_EQ(policy.judge(ip("8.8.4.4")), Verdict::own);
  EXPECT_EQ(policy.judge(ip("10.0.0.1")), Verdict::own);
  EXPECT_EQ(policy.judge(ip("127.0.0.1")), Verdict::special);
  EXPECT_EQ(policy.judge(ip("2a00::1")), Verdict::own);
  EXPECT_EQ(policy.judge(ip("2a00::2")), Verdict::allowed);
  policy.allow({range("8.8.4.4/32")});
  EXPECT_EQ(policy.judge(ip("8.8.4.4")), Verdict::allowed);
}

TEST(Range, Texts) {
  for (const char* good :
       {"10.0.0.0/8", "0.0.0.0/0", "1.2.3.4", "1.2.3.4/32", "::/0", "2001:db8::/32", "::1/128"})
    EXPECT_TRUE(Range::parse(good)) << good;
  for (const char* bad :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/8x", "10.0.0.0/-1"})
    EXPECT_FALSE(Range::parse(bad)) << bad;
  EXPECT_TRUE(range("0.0.0.0/0").contains(ip("255.1.2.3")));
  EXPECT_FALSE(range("0.0.0.0/0").contains(ip("::1")));
  EXPECT_TRUE(range("10.0.0.128/25").contains(ip("10.0.0.255")));
  EXPECT_FALSE(range("10.0.0.128/25").contains(ip("10.0.0.127")));
}

TEST(InterfaceAddresses, HaveLoopback) {
  const auto all = interface_addresses();
  EXPECT_NE(std::find(all.begin(), all.end(), ip("127.0.0.1")), all.end());
}

}  // namespace
}  // namespace causeway::net
