#include "peer/relay_offer.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "identity/authority.h"
#include "net/sim_network.h"
#include "overlay/memory_overlay.h"
#include "stun/binding.h"

namespace causeway::peer {
namespace {

using namespace std::chrono_literals;
using overlay::Directory;

constexpr const char* kTurn = "turn:p2psip.org";

// Two relays of a domain, without their media.
class Offer : public ::testing::Test {
 protected:
  struct Member : net::UdpHandler {
    Member(Offer& test, std::string_view ip)
        : bundle(*test.authority.issue({.roles = {identity::Role::relay}, .now = test.loop.unix_now()})),
          signer{bundle.key, bundle.credential},
          network(test.net.host(*net::Ip::parse(ip))),
          address{*net::Ip::parse(ip), 3478},
          socket(*network->open_udp(address, *this)),
          member(test.world.join()),
          directory(test.loop, *member, signer, test.random, test.metrics),
          round_trips(test.loop, *network, test.random, test.metrics),
          offer({.loop = test.loop,
                 .directory = directory,
                 .round_trips = round_trips,
                 .status = [this] { return status; },
                 .set_alternates = [this](auto others) { alternates = std::move(others); }},
                kTurn,
                {.peer = bundle.peer_id(),
                 .endpoints = {{net::Transport::udp, address}, {net::Transport::tls, address}},
                 .capacity = 100,
                 .token_key = identity::TokenKey{7}}) {}
    void on_datagrams(std::span<net::Datagram> batch) override {
      for (const net::Datagram& one : batch)
        socket->send(one.from, stun::answer_binding({one.bytes.data(), one.bytes.size()}, one.from));
    }
    relay::Relay::Status status;
    std::optional<std::vector<net::Endpoint>> alternates;
    identity::Bundle bundle;
    overlay::Signer signer;
    std::unique_ptr<net::Network> network;
    net::Address address;
    std::unique_ptr<net::UdpSocket> socket;
    std::unique_ptr<overlay::Engine> member;
    Directory directory;
    overlay::RoundTrips round_trips;
    RelayOffer offer;
  };

  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  net::SimNetwork net{loop, random};
  identity::Authority authority = *identity::Authority::create("p2psip.org");
  overlay::MemoryOverlayWorld world{loop, "p2psip.org", authority.key(), metrics, 20ms};
  Member first{*this, "10.0.0.1"}, second{*this, "10.0.0.2"};

  // As the second sees it.
  std::vector<overlay::ServiceBody> offered() {
    std::vector<overlay::ServiceBody> found;
    second.directory.find(kTurn, [&](auto all) { found = std::move(all); });
    loop.run_for(100ms);
    std::erase_if(found, [this](const auto& body) { return body.peer != first.bundle.peer_id(); });
    return found;
  }
  bool is_offered() { return !offered().empty(); }
};

TEST_F(Offer, TheRecordSaysWhatTheRelayIsAndFollowsItsLoad) {
  loop.run_for(2s);
  ASSERT_TRUE(is_offered());
  EXPECT_EQ(offered()[0].token_key, identity::TokenKey{7});
  EXPECT_EQ(offered()[0].endpoints.size(), 2u);
  EXPECT_EQ(offered()[0].load, 0u);
  first.status.ports_in_use = 30;
  loop.run_for(Directory::kPause);
  EXPECT_EQ(offered()[0].load, 30u);
  EXPECT_FALSE(first.alternates);
}

TEST_F(Offer, WithdrawnWhileFullAndOfferedAgain) {
  loop.run_for(2s);
  first.status.ports_in_use = 100;
  loop.run_for(2s);
  EXPECT_FALSE(is_offered());
  first.status.ports_in_use = 99;
  loop.run_for(Directory::kPause + 1s);
  ASSERT_TRUE(is_offered());
  EXPECT_EQ(offered()[0].load, 99u);
}

TEST_F(Offer, WithdrawnWhileDrainingAndWhenItStops) {
  loop.run_for(2s);
  first.status.draining = true;
  loop.run_for(2s);
  EXPECT_FALSE(is_offered());
  first.status.draining = false;
  loop.run_for(Directory::kPause + 1s);
  EXPECT_TRUE(is_offered());
  first.offer.withdraw();
  loop.run_for(20s);
  EXPECT_FALSE(is_offered());
}

TEST_F(Offer, OthersAreKnownBeforeItIsFull) {
  loop.run_for(2s);
  first.status.ports_in_use = 75;
  loop.run_for(2s);
  ASSERT_TRUE(first.alternates);
  EXPECT_EQ(*first.alternates, (std::vector<net::Endpoint>{{net::Transport::udp, second.address},
                                                           {net::Transport::tls, second.address}}));
  net.kill(second.address.ip);
  loop.run_for(RelayOffer::kLookForOthers + overlay::RoundTrips::kPatience + 1s);
  EXPECT_TRUE(first.alternates->empty());
}

}  // namespace
}  // namespace causeway::peer
