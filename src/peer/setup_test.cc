#include "peer/setup.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "net/sim_network.h"

namespace causeway::peer {
namespace {

// What a peer at 192.0.2.1 tells others of sockets that are bound like this.
std::vector<std::string> told(const std::vector<std::string>& listening,
                              const std::vector<relay::SocketsConfig::Relayed>& relayed = {}) {
  base::SimLoop loop;
  base::Random random(1);
  net::SimNetwork world(loop, random);
  const auto network = world.host(*net::Ip::parse("192.0.2.1"));
  std::vector<net::Endpoint> endpoints;
  for (const std::string& text : listening) endpoints.push_back(*net::Endpoint::parse(text));
  std::vector<std::string> texts;
  for (const net::Endpoint& one : advertised_endpoints(endpoints, *network, relayed))
    texts.push_back(one.text());
  return texts;
}

using Texts = std::vector<std::string>;

TEST(AdvertisedEndpoints, AWildcardIsThisMachinesOwnAddress) {
  EXPECT_EQ(told({"udp:0.0.0.0:5060", "tls:203.0.113.7:5061"}),
            (Texts{"udp:192.0.2.1:5060", "tls:203.0.113.7:5061"}));
}

TEST(AdvertisedEndpoints, OfAFamilyThatThisMachineHasNotIsLeftOut) {
  EXPECT_EQ(told({"udp:[::]:5060", "udp:0.0.0.0:5060"}), Texts{"udp:192.0.2.1:5060"});
}

TEST(AdvertisedEndpoints, BehindANatThatMapsOneToOneAsOthersSeeIt) {
  const std::vector<relay::SocketsConfig::Relayed> nat{
      {*net::Ip::parse("10.0.0.1"), *net::Ip::parse("203.0.113.1")}};
  EXPECT_EQ(told({"udp:0.0.0.0:3478", "tcp:10.0.0.1:3478", "udp:10.0.0.2:3478"}, nat),
            (Texts{"udp:203.0.113.1:3478", "tcp:203.0.113.1:3478", "udp:10.0.0.2:3478"}));
}

}  // namespace
}  // namespace causeway::peer
