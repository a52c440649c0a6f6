#include "overlay/opendht_overlay.h"

#include <filesystem>

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "overlay/test_world.h"
#include "overlay/users.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

class OpenDhtOverlayTest : public testing::Test {
 protected:
  TestWorld world;
  const std::string alice = "sip:alice@p2psip.org";

  void SetUp() override { world.defaults.refused_types = 16; }
  TestPeer& peer(std::size_t n) { return *world.peers[n]; }
  void join(int peers) {
    for (int i = 0; i < peers; ++i) {
      world.join();
      world.run_for(100ms);
    }
    world.run_for(3s);
  }
};

TEST_F(OpenDhtOverlayTest, TheFirstPeerIsAloneAndAnswersAtOnce) {
  TestPeer& first = world.add();
  world.run(first, world.config(first, {}));
  EXPECT_TRUE(first.overlay->alone());
  first.overlay->put(world.user(first, "alice"));
  std::size_t found = 99;
  first.overlay->get(alice, 2s, nullptr, [&](const auto& records) { found = records.size(); });
  EXPECT_EQ(found, 1u);
  first.overlay->get("sip:bob@p2psip.org", 2s, nullptr, [&](const auto& records) { found = records.size(); });
  EXPECT_EQ(found, 0u);
}

// As when it serves members that are no nodes: each has a record of its own.
TEST_F(OpenDhtOverlayTest, WhatItPutsForSeveralSignersStandsBesideEachOther) {
  TestPeer& first = world.add();
  world.run(first, world.config(first, {}));
  const TestPeer &one = world.add(), &two = world.add();
  for (const TestPeer* signer : {&one, &two}) first.overlay->put(world.user(*signer, "alice"));
  world.run_for(10ms);
  const Record newer = world.user(one, "alice", "newer");
  first.overlay->put(newer);
  first.overlay->put(newer);
  std::vector<Record> found = world.get(first, alice);
  ASSERT_EQ(found.size(), 2u);
  TestPeer& later = world.join();
  world.run_for(3s);
  found = world.get(later, alice);
  EXPECT_EQ(found.size(), 2u);
  for (const Record& record : found)
    EXPECT_EQ(decode_user(record.body)->contacts[0].token,
              record.signer() == one.bundle.peer_id() ? "newer" : "token");
}

TEST_F(OpenDhtOverlayTest, APeerThatIsItsOwnBootstrapPeerIsTheFirst) {
  TestPeer& first = world.add();
  world.run(first, world.config(first, {world.address(0)}));
  EXPECT_TRUE(first.overlay->alone());
}

TEST_F(OpenDhtOverlayTest, WhatWasPutAndListenedToAloneReachesTheSecondPeer) {
  TestPeer& first = world.join();
  std::vector<std::string> heard;
  first.overlay->put(world.user(first, "alice"));
  for (std::size_t i = 0; i < 3 * limits::kRepublishBatch; ++i)
    first.overlay->put(world.user(first, "u" + std::to_string(i)));
  first.overlay->listen("sip:bob@p2psip.org", [&](const Record& record) { heard.push_back(record.uri); });
  world.run_for(1s);
  TestPeer& second = world.join();
  EXPECT_FALSE(second.overlay->alone());
  // Asked for before it has joined: waits instead of finding nothing.
  EXPECT_EQ(world.get(second, alice).size(), 1u);
  EXPECT_LT(world.loop.now() - base::SimLoop::kStart, 2s);
  world.run_for(1s);
  EXPECT_FALSE(first.overlay->alone());
  second.overlay->put(world.user(second, "bob"));
  world.run_for(1s);
  EXPECT_EQ(heard, std::vector<std::string>{"sip:bob@p2psip.org"});
  EXPECT_GE(second.overlay->health().stored_records, 3 * limits::kRepublishBatch);
}

TEST_F(OpenDhtOverlayTest, NoBootstrapPeerMeansAloneForNowAndTryingOn) {
  TestPeer& first = world.add();
  TestPeer& second = world.add();
  world.run(second, world.config(second, {world.address(0)}));
  EXPECT_FALSE(second.overlay->alone());
  base::Instant start = world.loop.now();
  EXPECT_TRUE(world.get(second, alice).empty());
  EXPECT_EQ(world.loop.now() - start, 1s);
  EXPECT_TRUE(second.overlay->alone());
  world.run_for(2min);
  EXPECT_GE(second.metrics.value("overlay_bootstrap_attempts_total"), 5u);
  EXPECT_LE(second.metrics.value("overlay_bootstrap_attempts_total"), 12u);
  world.run(first, world.config(first, {}));
  first.overlay->put(world.user(first, "alice"));
  world.run_for(2min);
  EXPECT_EQ(world.get(second, alice).size(), 1u);
}

TEST_F(OpenDhtOverlayTest, AGetStopsAtTheFirstGoodRecord) {
  join(5);
  peer(1).overlay->put(world.user(peer(1), "alice"));
  peer(2).overlay->put(world.user(peer(2), "alice"));
  world.run_for(1s);
  EXPECT_EQ(world.get(peer(3), alice).size(), 2u);
  int told = 0;
  std::size_t in_all = 0;
  peer(3).overlay->get(
      alice, 2s, [&](const Record&) { return ++told, false; },
      [&](const auto& records) { in_all = records.size(); });
  world.run_for(3s);
  EXPECT_EQ(told, 1);
  EXPECT_GE(in_all, 1u);
}

TEST_F(OpenDhtOverlayTest, ListenersHearEachVersionOnceTombstonesIncluded) {
  join(6);
  std::vector<std::string> heard;
  auto id = peer(1).overlay->listen(alice, [&](const Record& record) {
    heard.push_back(record.is_tombstone() ? "gone" : decode_user(record.body)->contacts.at(0).token);
  });
  world.run_for(1s);
  for (std::string token : {"one", "two", "three"}) {
    peer(4).overlay->put(world.user(peer(4), "alice", token));
    world.run_for(500ms);
  }
  base::UnixMs now = world.loop.unix_now();
  peer(4).overlay->put(peer(4).signer.sign(Kind::user, alice, now, now + 60'000, {}));
  world.run_for(500ms);
  EXPECT_EQ(heard, (std::vector<std::string>{"one", "two", "three", "gone"}));
  peer(1).overlay->unlisten(id);
  peer(4).overlay->put(world.user(peer(4), "alice", "again"));
  world.run_for(1s);
  EXPECT_EQ(heard.size(), 4u);
  auto records = world.get(peer(2), alice);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(decode_user(records[0].body)->contacts.at(0).token, "again");
}

TEST_F(OpenDhtOverlayTest, HoldersKeepOneVersionAndLetItGoWhenItExpires) {
  join(5);
  for (int version = 0; version < 20; ++version) {
    peer(1).overlay->put(world.user(peer(1), "alice", "version" + std::to_string(version)));
    world.run_for(5s);
  }
  for (auto& p : world.peers) EXPECT_EQ(p->overlay->health().stored_records, 1u);
  std::uint64_t before = peer(3).metrics.value("overlay_read_ignored_total");
  EXPECT_EQ(world.get(peer(3), alice).size(), 1u);
  EXPECT_EQ(peer(3).metrics.value("overlay_read_ignored_total"), before);
  world.run_for(15min);
  for (auto& p : world.peers) EXPECT_EQ(p->overlay->health().stored_records, 0u);
  EXPECT_TRUE(world.get(peer(3), alice).empty());
}

TEST_F(OpenDhtOverlayTest, TheLargestRecordTravelsInDatagramsBelowTheLimit) {
  std::size_t largest = 0;
  world.network.on_packet(
      [&](const net::SimPacket& packet) { largest = std::max(largest, packet.bytes.size()); });
  join(5);
  base::UnixMs now = world.loop.unix_now();
  UserBody body = body_at(peer(1).bundle.peer_id(), std::string(80, 't'), now);
  while (body.contacts.size() < limits::kMaxContacts) {
    body.contacts.push_back(body.contacts[0]);
    body.contacts.back().instance = body.contacts.size() * 1000;
  }
  Record record = peer(1).signer.sign(Kind::user, alice, now, now + 600'000, encode(body));
  ASSERT_LE(record.encoded.size(), limits::kMaxRecord);
  ASSERT_GT(record.encoded.size(), 1200u);
  peer(1).overlay->put(record);
  world.run_for(1s);
  ASSERT_EQ(world.get(peer(4), alice).size(), 1u);
  EXPECT_GT(largest, 1200u);
  EXPECT_LE(largest, limits::kMaxDatagram);
  for (auto& p : world.peers)
    EXPECT_EQ(p->metrics.value("overlay_datagrams_dropped_total{reason=\"unsendable\"}"), 0u);
}

TEST_F(OpenDhtOverlayTest, ARestartedPeerNeedsNoBootstrapPeer) {
  std::string file =
      std::filesystem::temp_directory_path() / ("causeway-nodes-" + std::to_string(::getpid()));
  join(5);
  TestPeer& restarted = world.add();
  OpenDhtConfig config = world.config(restarted, {world.address(0)});
  config.nodes_file = file;
  world.run(restarted, config);
  world.run_for(10s);
  restarted.overlay.reset();
  world.network.kill(world.ip(0));
  peer(1).overlay->put(world.user(peer(1), "alice"));
  config.bootstrap = {};
  world.run(restarted, config);
  EXPECT_FALSE(restarted.overlay->alone());
  EXPECT_EQ(world.get(restarted, alice).size(), 1u);
  std::filesystem::remove(file);
}

TEST_F(OpenDhtOverlayTest, InspectShowsWhatIsThereAndWhoWasAsked) {
  join(5);
  peer(1).overlay->put(world.user(peer(1), "alice"));
  world.run_for(1s);
  std::vector<Engine::Found> found;
  peer(2).overlay->inspect(alice, 2s, [&](auto list) { found = std::move(list); });
  world.run_for(3s);
  ASSERT_EQ(found.size(), 1u);
  ASSERT_TRUE(found[0].checked);
  EXPECT_EQ(found[0].checked->signer(), peer(1).bundle.peer_id());
  EXPECT_FALSE(found[0].holders.empty());
}

TEST_F(OpenDhtOverlayTest, UsersAreFoundThroughLoss) {
  join(20);
  world.network.set_loss(0.05);
  for (int i = 0; i < 30; ++i) {
    TestPeer& home = peer(static_cast<std::size_t>(i) % 20);
    home.overlay->put(world.user(home, "user" + std::to_string(i)));
  }
  world.run_for(5s);
  int found = 0;
  for (int i = 0; i < 30; ++i)
    found +=
        world.get(peer(static_cast<std::size_t>(i + 7) % 20), "sip:user" + std::to_string(i) + "@p2psip.org")
            .size() == 1;
  EXPECT_EQ(found, 30);
}

TEST_F(OpenDhtOverlayTest, UsersAboveAnswerQuicklyAlsoForWhoIsUnknown) {
  join(8);
  peer(1).overlay->put(world.user(peer(1), "alice"));
  world.run_for(1s);
  Users users(world.loop, *peer(5).overlay, peer(5).metrics);
  base::Instant start = world.loop.now();
  std::optional<UserLookup> answer;
  users.find(alice, [&](const UserLookup& lookup) { answer = lookup; });
  world.loop.run_until([&] { return answer.has_value(); }, 3s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->contacts.size(), 1u);
  EXPECT_LT(world.loop.now() - start, 250ms);
  answer.reset();
  users.find("sip:nobody@p2psip.org", [&](const UserLookup& lookup) { answer = lookup; });
  world.loop.run_until([&] { return answer.has_value(); }, 3s);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->known);
  EXPECT_LE(world.loop.now() - start, 250ms + limits::kLookupPatience);
}

TEST_F(OpenDhtOverlayTest, TheSameOverIpVersion6) {
  for (int i = 0; i < 4; ++i) {
    net::Ip ip = *net::Ip::parse("2001:db8::" + std::to_string(i + 1));
    world.peers.push_back(
        std::make_unique<TestPeer>(world.domain.issue({identity::Role::registrar}, {}, world.loop.unix_now()),
                                   ip, world.network.host(ip)));
    world.run(*world.peers.back(), world.config(*world.peers.back(), {{peer(0).ip, TestWorld::kPort}}));
    world.run_for(100ms);
  }
  peer(1).overlay->put(world.user(peer(1), "alice"));
  world.run_for(1s);
  EXPECT_EQ(peer(3).overlay->health().known_nodes, 3u);
  EXPECT_EQ(world.get(peer(3), alice).size(), 1u);
}

TEST_F(OpenDhtOverlayTest, AnAddressInUseIsSaid) {
  TestPeer& first = world.join();
  auto second = make_opendht_overlay(world.loop, *first.network, world.random, first.metrics, first.checker,
                                     world.config(first, {}));
  EXPECT_FALSE(second);
}

}  // namespace
}  // namespace causeway::overlay
