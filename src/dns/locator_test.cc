#include "dns/locator.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "dns/srv_order.h"
#include "dns/table_for_test.h"

namespace causeway::dns {
namespace {

using net::Transport;
using testing::Table;

class LocatorTest : public ::testing::Test {
 protected:
  Table table;
  base::Random random{7};
  base::Metrics metrics;
  Supported supported;

  // The hops as "udp:192.0.2.1:5060 ...", or "error: ...".
  std::string locate(const Question& question) {
    Locator locator(table, random, supported, metrics);
    std::string result = "not called";
    int calls = 0;
    locator.locate(question, [&](Hops hops) {
      ++calls;
      result.clear();
      if (!hops)
        result = "error: " + hops.error().message;
      else
        for (const Hop& hop : *hops) result += (result.empty() ? "" : " ") + hop.endpoint.text();
    });
    EXPECT_EQ(calls, 1);
    return result;
  }
  void srv(const std::string& name, int priority, int weight, int port, const std::string& target) {
    table.srvs.emplace(name, Srv{static_cast<std::uint16_t>(priority), static_cast<std::uint16_t>(weight),
                                 static_cast<std::uint16_t>(port), target});
  }
  void naptr(int order, int preference, const std::string& service, const std::string& replacement,
             const std::string& flags = "s") {
    table.naptrs.emplace(
        "d.example", Naptr{static_cast<std::uint16_t>(order), static_cast<std::uint16_t>(preference), flags,
                           service, "", replacement});
  }
};

TEST_F(LocatorTest, NumericHostsAreNotLookedUp) {
  EXPECT_EQ(locate({.host = "192.0.2.7"}), "udp:192.0.2.7:5060");
  EXPECT_EQ(locate({.host = "192.0.2.7", .port = 5090, .transport = Transport::tcp}), "tcp:192.0.2.7:5090");
  EXPECT_EQ(locate({.host = "192.0.2.7", .secure = true}), "tls:192.0.2.7:5061");
  EXPECT_EQ(locate({.host = "[2001:db8::7]"}), "udp:[2001:db8::7]:5060");
  EXPECT_TRUE(table.asked.empty());
}

TEST_F(LocatorTest, APortMeansTheHostItself) {
  table.hosts.emplace("d.example", "192.0.2.1");
  srv("_sip._udp.d.example", 1, 1, 5070, "other.example");
  EXPECT_EQ(locate({.host = "d.example", .port = 5080}), "udp:192.0.2.1:5080");
  EXPECT_EQ(locate({.host = "d.example", .port = 5080, .secure = true}), "tls:192.0.2.1:5080");
  EXPECT_EQ(table.asked, (std::vector<std::string>{"A d.example", "A d.example"}));
}

TEST_F(LocatorTest, NaptrDecidesAboutTheTransportInItsOrder) {
  naptr(20, 1, "SIP+D2U", "_sip._udp.d.example");
  naptr(10, 2, "SIP+D2T", "_sip._tcp.d.example");
  naptr(10, 1, "SIPS+D2T", "_sips._tcp.d.example");
  naptr(5, 1, "E2U+sip", "_bogus.d.example", "u");
  srv("_sip._udp.d.example", 1, 0, 5060, "a.example");
  srv("_sip._tcp.d.example", 1, 0, 5062, "a.example");
  srv("_sips._tcp.d.example", 1, 0, 5061, "a.example");
  table.hosts.emplace("a.example", "192.0.2.1");
  EXPECT_EQ(locate({.host = "d.example"}), "tls:192.0.2.1:5061 tcp:192.0.2.1:5062 udp:192.0.2.1:5060");
  EXPECT_EQ(locate({.host = "d.example", .secure = true}), "tls:192.0.2.1:5061");
  supported.tls = false;
  EXPECT_EQ(locate({.host = "d.example"}), "tcp:192.0.2.1:5062 udp:192.0.2.1:5060");
  EXPECT_EQ(locate({.host = "d.example", .secure = true}), "error: d.example: this peer does not speak tls");
}

TEST_F(LocatorTest, WithoutNaptrEachTransportIsAskedFor) {
  srv("_sip._tcp.d.example", 1, 0, 5060, "a.example");
  table.hosts.emplace("a.example", "192.0.2.1");
  EXPECT_EQ(locate({.host = "d.example"}), "tcp:192.0.2.1:5060");
  EXPECT_EQ(table.asked,
            (std::vector<std::string>{"NAPTR d.example", "SRV _sip._udp.d.example", "SRV _sip._tcp.d.example",
                                      "A a.example", "SRV _sips._tcp.d.example"}));
}

TEST_F(LocatorTest, TransportParameterGoesStraightToItsSrv) {
  srv("_sip._tcp.d.example", 1, 0, 5066, "a.example");
  table.hosts.emplace("a.example", "192.0.2.1");
  EXPECT_EQ(locate({.host = "d.example", .transport = Transport::tcp}), "tcp:192.0.2.1:5066");
  EXPECT_EQ(table.asked.front(), "SRV _sip._tcp.d.example");
}

TEST_F(LocatorTest, WithoutSrvTheHostAtItsDefaultPort) {
  table.hosts.emplace("d.example", "192.0.2.1");
  table.hosts.emplace("d.example", "2001:db8::1");
  EXPECT_EQ(locate({.host = "d.example"}), "udp:192.0.2.1:5060 udp:[2001:db8::1]:5060");
  EXPECT_EQ(locate({.host = "d.example", .transport = Transport::tcp}),
            "tcp:192.0.2.1:5060 tcp:[2001:db8::1]:5060");
  supported.ipv6 = false;
  EXPECT_EQ(locate({.host = "d.example", .secure = true}), "tls:192.0.2.1:5061");
}

TEST_F(LocatorTest, PrioritiesThenNextTargets) {
  srv("_sip._udp.d.example", 20, 0, 5062, "b.example");
  srv("_sip._udp.d.example", 10, 0, 5061, "a.example");
  table.hosts.emplace("a.example", "192.0.2.1");
  table.hosts.emplace("a.example", "192.0.2.11");
  table.hosts.emplace("b.example", "192.0.2.2");
  EXPECT_EQ(locate({.host = "d.example", .transport = Transport::udp}),
            "udp:192.0.2.1:5061 udp:192.0.2.11:5061 udp:192.0.2.2:5062");
}

// One target without addresses, or a name server that fails for one name, does not lose the others.
TEST_F(LocatorTest, OneBrokenTargetLosesNotTheOthers) {
  srv("_sip._udp.d.example", 10, 0, 5060, "gone.example");
  srv("_sip._udp.d.example", 20, 0, 5060, "broken.example");
  srv("_sip._udp.d.example", 30, 0, 5060, "b.example");
  table.hosts.emplace("b.example", "192.0.2.2");
  table.broken = "broken.example";
  EXPECT_EQ(locate({.host = "d.example", .transport = Transport::udp}), "udp:192.0.2.2:5060");
}

// RFC 2782: a single SRV with target "." says that the service is decidedly not there.
TEST_F(LocatorTest, RootTargetMeansNoService) {
  srv("_sip._udp.d.example", 0, 0, 0, "");
  table.hosts.emplace("d.example", "192.0.2.1");
  EXPECT_EQ(locate({.host = "d.example", .transport = Transport::udp}),
            "error: d.example: no such domain, or nothing there that speaks SIP");
}

TEST_F(LocatorTest, ErrorsSayWhich) {
  EXPECT_EQ(locate({.host = "nowhere.example"}),
            "error: nowhere.example: no such domain, or nothing there that speaks SIP");
  table.broken = "d.example";
  EXPECT_EQ(locate({.host = "d.example", .port = 5060}), "error: d.example: no name server answered");
  EXPECT_EQ(metrics.value("dns_located_total{outcome=\"failed\"}"), 2u);
}

TEST_F(LocatorTest, HopsAreBounded) {
  for (int i = 0; i < 40; ++i)
    srv("_sip._udp.d.example", i, 0, 5060, "h" + std::to_string(i) + ".example"),
        table.hosts.emplace("h" + std::to_string(i) + ".example", "192.0.2." + std::to_string(i + 1));
  auto hops = locate({.host = "d.example", .transport = Transport::udp});
  EXPECT_EQ(std::ranges::count(hops, ' '), 15);
}

TEST(SrvOrder, WeightsAreProportions) {
  base::Random random(3);
  std::map<std::string, int> first;
  for (int i = 0; i < 10000; ++i)
    ++first[in_order(
                {{1, 60, 1, "a"}, {1, 30, 1, "b"}, {1, 10, 1, "c"}, {1, 0, 1, "z"}, {2, 900, 1, "later"}},
                random)[0]
                .target];
  EXPECT_NEAR(first["a"], 6000, 300);
  EXPECT_NEAR(first["b"], 3000, 300);
  EXPECT_NEAR(first["c"], 1000, 200);
  EXPECT_GT(first["z"], 20);  // "a very small chance"
  EXPECT_LT(first["z"], 250);
  EXPECT_EQ(first.count("later"), 0u);
}

TEST(SrvOrder, KeepsAllButRootTargets) {
  base::Random random(4);
  auto order = in_order({{5, 0, 1, "x"}, {1, 0, 2, ""}, {1, 5, 3, "y"}}, random);
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(order[0].target, "y");
  EXPECT_EQ(order[1].target, "x");
}

// ---- relays (RFC 5928)

TEST_F(LocatorTest, RelaysComeFromSrvByTransport) {
  srv("_turn._udp.d.example", 10, 10, 3478, "turn.example");
  srv("_turn._tcp.d.example", 10, 10, 3479, "turn.example");
  srv("_turns._tcp.d.example", 10, 10, 5349, "turn.example");
  srv("_sip._udp.d.example", 10, 10, 5060, "turn.example");
  table.hosts.emplace("turn.example", "192.0.2.7");
  EXPECT_EQ(locate({.host = "d.example", .service = Service::relay}),
            "udp:192.0.2.7:3478 tcp:192.0.2.7:3479 tls:192.0.2.7:5349");
}

TEST_F(LocatorTest, RelaysComeFromNaptrInItsOrder) {
  naptr(20, 10, "RELAY:turn.udp", "_turn._udp.d.example");
  naptr(10, 10, "relay:TURN.tls", "_turns._tcp.d.example");
  naptr(5, 10, "SIP+D2U", "_sip._udp.d.example");
  srv("_turn._udp.d.example", 10, 10, 3478, "turn.example");
  srv("_turns._tcp.d.example", 10, 10, 5349, "turn.example");
  srv("_sip._udp.d.example", 10, 10, 5060, "turn.example");
  table.hosts.emplace("turn.example", "192.0.2.7");
  EXPECT_EQ(locate({.host = "d.example", .service = Service::relay}),
            "tls:192.0.2.7:5349 udp:192.0.2.7:3478");
}

TEST_F(LocatorTest, ThereAreNoRelaysWhereTheDomainNamesNone) {
  table.hosts.emplace("d.example", "192.0.2.1");
  EXPECT_EQ(locate({.host = "d.example", .service = Service::relay}),
            "error: d.example: no such domain, or nothing there that relays media");
}

}  // namespace
}  // namespace causeway::dns
