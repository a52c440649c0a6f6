#include "overlay/overlay_share.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/epoll_loop.h"
#include "base/sim_loop.h"
#include "overlay/memory_overlay.h"
#include "overlay/test_world.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

struct Home {
  explicit Home(TestDomain& domain, base::UnixMs now)
      : bundle(domain.issue({identity::Role::registrar}, {}, now)), signer{bundle.key, bundle.credential} {}
  Record record(std::string token, base::UnixMs now) const {
    UserBody body = body_at(bundle.peer_id(), std::move(token), now);
    return signer.sign(Kind::user, "sip:alice@p2psip.org", now, now + 600'000, encode(body));
  }
  identity::Bundle bundle;
  Signer signer;
};

std::string token_of(const Record& record) { return decode_user(record.body)->contacts[0].token; }

// Client and engine on one simulated loop: the same tasks, one after the other.
class OverlayShareTest : public testing::Test {
 protected:
  base::SimLoop loop;
  base::Metrics metrics;
  TestDomain domain;
  Home home{domain, loop.unix_now()};
  MemoryOverlayWorld world{loop, "p2psip.org", domain.authority.key(), metrics, 20ms};
  std::unique_ptr<Engine> engine = world.join(), elsewhere = world.join();
  std::unique_ptr<OverlayShare> share = std::make_unique<OverlayShare>(loop, *engine);
  std::unique_ptr<OverlayClient> client = std::make_unique<OverlayClient>(share->door(), loop);
  const std::string alice = "sip:alice@p2psip.org";

  Record record(std::string token) { return home.record(std::move(token), loop.unix_now()); }
};

TEST_F(OverlayShareTest, AClientPutsAndGets) {
  client->put(record("one"));
  loop.run_for(1s);
  std::vector<Record> each, all;
  client->get(
      alice, 1s,
      [&](const Record& r) {
        each.push_back(r);
        return true;
      },
      [&](std::vector<Record> found) { all = std::move(found); });
  EXPECT_TRUE(all.empty());
  loop.run_for(1s);
  ASSERT_EQ(each.size(), 1u);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(token_of(all[0]), "one");
  EXPECT_EQ(all[0].signer(), home.bundle.peer_id());
}

TEST_F(OverlayShareTest, WhoHasEnoughIsDoneAtOnceAndOnce) {
  client->put(record("one"));
  loop.run_for(1s);
  int done = 0;
  client->get(
      alice, 1s, [](const Record&) { return false; },
      [&](std::vector<Record> found) {
        ++done;
        EXPECT_EQ(found.size(), 1u);
      });
  loop.run_for(2s);
  EXPECT_EQ(done, 1);
}

TEST_F(OverlayShareTest, AClientHearsUntilItUnlistens) {
  std::vector<std::string> heard;
  const auto id = client->listen(alice, [&](const Record& r) { heard.push_back(token_of(r)); });
  loop.run_for(1s);
  elsewhere->put(record("one"));
  loop.run_for(1s);
  share->put(record("two"));
  loop.run_for(1s);
  EXPECT_EQ(heard, (std::vector<std::string>{"one", "two"}));
  client->unlisten(id);
  elsewhere->put(record("three"));
  loop.run_for(1s);
  EXPECT_EQ(heard.size(), 2u);
}

TEST_F(OverlayShareTest, WhatOneThreadPutsTheOthersLearn) {
  std::vector<std::string> at_share, at_client, at_third;
  OverlayClient third(share->door(), loop);
  share->set_on_put([&](const Record& r) { at_share.push_back(token_of(r)); });
  client->set_on_put([&](const Record& r) { at_client.push_back(token_of(r)); });
  third.set_on_put([&](const Record& r) { at_third.push_back(token_of(r)); });
  client->put(record("one"));
  loop.run_for(1s);
  share->put(record("two"));
  loop.run_for(1s);
  EXPECT_EQ(at_share, std::vector<std::string>{"one"});
  EXPECT_EQ(at_client, std::vector<std::string>{"two"});
  EXPECT_EQ(at_third, (std::vector<std::string>{"one", "two"}));
}

TEST_F(OverlayShareTest, AloneIsMirroredAtTheEndOfATurn) {
  EXPECT_FALSE(client->alone());
  elsewhere.reset();
  loop.post([] {});
  loop.run_for(1ms);
  EXPECT_TRUE(client->alone());
}

TEST_F(OverlayShareTest, NothingComesToAClientThatHasGone) {
  int calls = 0;
  client->listen(alice, [&](const Record&) { ++calls; });
  client->get(alice, 1s, nullptr, [&](const auto&) { ++calls; });
  client->set_on_put([&](const Record&) { ++calls; });
  loop.run_for(1ms);
  client.reset();
  share->put(record("one"));
  loop.run_for(2s);
  EXPECT_EQ(calls, 0);
}

TEST_F(OverlayShareTest, AClientMayDestroyItselfWhenItHears) {
  client->put(record("one"));
  loop.run_for(1s);
  client->get(
      alice, 1s,
      [&](const Record&) {
        client.reset();
        return false;
      },
      [](const auto&) { ADD_FAILURE() << "called after destruction"; });
  loop.run_for(2s);
  EXPECT_FALSE(client);
}

TEST_F(OverlayShareTest, AClientOutlivesTheShareInSilence) {
  client->listen(alice, [](const Record&) { ADD_FAILURE(); });
  loop.run_for(1s);
  share.reset();
  client->put(record("one"));
  client->get(alice, 1s, nullptr, [](const auto&) { ADD_FAILURE(); });
  elsewhere->put(record("two"));
  loop.run_for(2s);
  client.reset();
  loop.run_for(1s);
}

// For the thread sanitizer: threads come, ask and go while the engine answers.
TEST(OverlayShareThreads, ComeAskAndGo) {
  const auto loop = base::make_epoll_loop();
  base::Metrics metrics;
  TestDomain domain;
  const Home home(domain, loop->unix_now());
  MemoryOverlayWorld world(*loop, "p2psip.org", domain.authority.key(), metrics, 2ms);
  const auto engine = world.join(), other = world.join();
  OverlayShare share(*loop, *engine);
  std::atomic<int> found = 0, heard = 0, ended = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      const auto own = base::make_epoll_loop();
      for (int round = 0; round < 5; ++round) {
        OverlayClient client(share.door(), *own);
        client.listen("sip:alice@p2psip.org", [&](const Record&) { ++heard; });
        client.put(home.record(fmt::format("{}-{}", t, round), own->unix_now()));
        client.get(
            "sip:alice@p2psip.org", 1s, [](const Record&) { return true; },
            [&](const auto& all) {
              found += all.empty() ? 0 : 1;
              own->stop();
            });
        own->run_for(5s);
      }
      ++ended;
    });
  while (ended < 3) loop->run_for(5ms);
  for (auto& thread : threads) thread.join();
  loop->run_for(20ms);
  EXPECT_EQ(found, 15);
  EXPECT_GT(heard, 0);
}

}  // namespace
}  // namespace causeway::overlay
