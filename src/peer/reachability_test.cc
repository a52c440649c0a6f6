#include "peer/reachability.h"

#include <gtest/gtest.h>

#include "overlay/link_world_for_test.h"

namespace causeway::peer {
namespace {

using namespace std::chrono_literals;
using overlay::LinkMember;

class ReachabilityTest : public testing::Test {
 protected:
  overlay::LinkWorld world;
  LinkMember &first = world.public_peer(), &second = world.public_peer();
  LinkMember& self = world.add({identity::Role::registrar});
  Reachability reachability{*self.asker, *self.network};

  // What it finds out, and when.
  std::optional<Reach> find_out(std::vector<net::Address> ask, base::Duration limit = 10s,
                                std::optional<net::Address> listening = {}) {
    std::optional<Reach> found;
    reachability.find_out({std::move(ask), {listening.value_or(self.address())}}, [&](Reach reach) {
      EXPECT_FALSE(found) << "it is told once";
      found = reach;
    });
    for (base::Duration spent{}; !found && spent < limit; spent += 10ms) world.loop.run_for(10ms);
    return found;
  }
};

TEST_F(ReachabilityTest, WhoIsCalledBackIsReached) {
  EXPECT_EQ(find_out({first.address(), second.address()}, 500ms), Reach::yes);
}

TEST_F(ReachabilityTest, WhoIsNotCalledBackIsNot) {
  world.net.shelter(self.ip);
  EXPECT_EQ(find_out({first.address(), second.address()}, 4s), Reach::no);
}

TEST_F(ReachabilityTest, OneYesIsEnough) {
  world.net.shelter(self.ip);
  world.net.let_in(self.ip, second.ip);
  EXPECT_EQ(find_out({first.address(), second.address()}, 4s), Reach::yes);
}

TEST_F(ReachabilityTest, NobodyCanTell) {
  EXPECT_EQ(find_out({}), Reach::unknown);
  EXPECT_EQ(find_out({self.address()}), Reach::unknown) << "the machine itself";
  EXPECT_EQ(find_out({{net::Ip::v4(0x0a000a01u), 7400}}, 6s), Reach::unknown) << "a host that is not there";
  first.service->set_public(false);
  EXPECT_EQ(find_out({first.address()}, 1s), Reach::unknown) << "who does not know it of himself";
}

// It calls from another address than it listens at, and no NAT is between.
TEST_F(ReachabilityTest, AnotherAddressThanTheOneListenedOnSaysNothing) {
  world.net.shelter(self.ip);
  EXPECT_EQ(find_out({first.address()}, 5s, net::Address{net::Ip::v4(0x0a000a02u), 7400}), Reach::unknown);
}

// Many behind one address: each waits for its turn.
TEST_F(ReachabilityTest, WhoIsToldToComeLaterComesLater) {
  bool asked = false;
  const auto flow = self.transport->flow_to({{net::Transport::tls, first.address()}, {}, true});
  self.asker->ask(*flow, {.what = overlay::LinkQuestion::What::check, .uri = {}, .port = 9, .records = {}},
                  5s, [&](const auto&) { asked = true; });
  EXPECT_EQ(find_out({first.address()}, 10s), Reach::yes);
  EXPECT_TRUE(asked);
  EXPECT_EQ(first.count("overlay_link_refused_total{reason=\"checks\"}"), 1u);
}

}  // namespace
}  // namespace causeway::peer
