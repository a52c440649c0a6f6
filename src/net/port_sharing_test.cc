#include "net/port_sharing.h"

#include <algorithm>

#include "net/loopback_for_test.h"

namespace causeway::net {
namespace {

using test::at;

struct Counting final : UdpHandler {
  void on_datagrams(std::span<Datagram> batch) override {
    for (const Datagram& d : batch) from.push_back(d.from);
  }
  std::vector<Address> from;
};

class PortSharingTest : public test::Loopback {
 protected:
  std::unique_ptr<Network> sharing(PortSharing how) { return make_real_network(*loop, metrics, {}, how); }
  std::unique_ptr<Network> first = sharing(PortSharing::first), further = sharing(PortSharing::further);
};

TEST_F(PortSharingTest, DatagramsOfOnePortAlwaysComeToOneSocket) {
  Counting at_first, at_further;
  const auto one = *first->open_udp(at("127.0.0.1:0"), at_first);
  const auto two = further->open_udp(one->local(), at_further);
  ASSERT_TRUE(two) << two.error().message;
  constexpr std::size_t kSenders = 40;
  Counting nobody;
  std::vector<std::unique_ptr<UdpSocket>> senders;
  for (std::size_t i = 0; i < kSenders; ++i)
    senders.push_back(std::move(*network->open_udp(at("127.0.0.1:0"), nobody)));
  for (int round = 0; round < 2; ++round)
    for (const auto& sender : senders) sender->send(one->local(), test::bytes("x"));
  run_until([&] { return at_first.from.size() + at_further.from.size() == 2 * kSenders; });
  EXPECT_FALSE(at_first.from.empty());
  EXPECT_FALSE(at_further.from.empty());
  for (const Address& address : at_first.from)
    EXPECT_EQ(std::ranges::count(at_further.from, address), 0) << address.text();
}

TEST_F(PortSharingTest, ConnectionsAreSpread) {
  int at_first = 0, at_further = 0;
  const auto one = *first->listen(at("127.0.0.1:0"), nullptr, [&](auto) { ++at_first; });
  const auto two = further->listen(one->local(), nullptr, [&](auto) { ++at_further; });
  ASSERT_TRUE(two) << two.error().message;
  std::vector<std::unique_ptr<Stream>> streams;
  test::Talker talkers[40];
  for (auto& talker : talkers) streams.push_back(network->connect(one->local(), {}, talker));
  run_until([&] { return at_first + at_further == 40; });
  EXPECT_GT(at_first, 0);
  EXPECT_GT(at_further, 0);
}

// SO_REUSEPORT alone would let a second program in.
TEST_F(PortSharingTest, ASecondProgramIsRefusedAlthoughThePortIsShared) {
  Counting handler;
  const auto udp = *first->open_udp(at("127.0.0.1:0"), handler);
  const auto joined = further->open_udp(udp->local(), handler);
  const auto tcp = *first->listen(at("127.0.0.1:0"), nullptr, [](auto) {});
  for (const PortSharing how : {PortSharing::none, PortSharing::first}) {
    const auto second = sharing(how);
    const auto no_udp = second->open_udp(udp->local(), handler);
    ASSERT_FALSE(no_udp);
    EXPECT_NE(no_udp.error().message.find("address in use"), std::string::npos);
    const auto no_tcp = second->listen(tcp->local(), nullptr, [](auto) {});
    ASSERT_FALSE(no_tcp);
    EXPECT_NE(no_tcp.error().message.find("address in use"), std::string::npos);
  }
}

TEST_F(PortSharingTest, NobodyJoinsAPortThatIsNotShared) {
  Counting handler;
  const auto alone = *network->open_udp(at("127.0.0.1:0"), handler);
  EXPECT_FALSE(further->open_udp(alone->local(), handler));
}

}  // namespace
}  // namespace causeway::net
