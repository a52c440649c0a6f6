#include "overlay/users.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "overlay/memory_overlay.h"
#include "overlay/test_world.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

class UsersTest : public testing::Test {
 protected:
  base::SimLoop loop;
  base::Metrics metrics;
  TestDomain domain;
  identity::Bundle home = domain.issue({identity::Role::registrar}, {}, loop.unix_now());
  identity::Bundle other_home = domain.issue({identity::Role::registrar}, {}, loop.unix_now());
  Signer signer{home.key, home.credential}, other{other_home.key, other_home.credential};
  MemoryOverlayWorld world{loop, "p2psip.org", domain.authority.key(), metrics, 20ms};
  std::unique_ptr<Overlay> here = world.join(), there = world.join();
  Users users{loop, *here, metrics};
  const std::string alice = "sip:alice@p2psip.org";

  Record record(const Signer& by, std::string token, base::Duration life = 600s) {
    base::UnixMs now = loop.unix_now();
    UserBody body = body_at(by.credential.key.peer_id(), std::move(token), now);
    body.contacts[0].instance = by.credential.serial;
    body.contacts[0].expiry = now + life.count();
    return by.sign(Kind::user, alice, now, now + life.count(), encode(body));
  }
  Record tombstone(const Signer& by) {
    return by.sign(Kind::user, alice, loop.unix_now(), loop.unix_now() + 60'000, {});
  }
  // The answer, and after how long it came.
  std::pair<UserLookup, base::Duration> find() {
    std::optional<UserLookup> answer;
    base::Instant start = loop.now();
    users.find(alice, [&](const UserLookup& lookup) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = lookup;
    });
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 10s));
    return {answer.value_or(UserLookup{}), loop.now() - start};
  }
};

TEST_F(UsersTest, AUserWhoIsRegisteredElsewhereIsFoundThenCached) {
  there->put(record(signer, "one"));
  loop.run_for(1s);
  auto [answer, took] = find();
  EXPECT_TRUE(answer.known);
  ASSERT_EQ(answer.contacts.size(), 1u);
  EXPECT_EQ(answer.contacts[0].token, "one");
  EXPECT_EQ(answer.contacts[0].home, home.peer_id());
  EXPECT_EQ(took, 20ms);
  EXPECT_EQ(find().second, 0ms);
  EXPECT_EQ(metrics.value("overlay_user_lookups_total{result=\"found\"}"), 1u);
  EXPECT_EQ(metrics.value("overlay_user_lookups_total{result=\"cached\"}"), 1u);
}

TEST_F(UsersTest, UnknownIsBelievedForSecondsOnly) {
  auto [answer, took] = find();
  EXPECT_FALSE(answer.known);
  EXPECT_TRUE(answer.contacts.empty());
  EXPECT_LE(took, limits::kLookupPatience);
  EXPECT_EQ(find().second, 0ms);
  there->put(record(signer, "one"));
  loop.run_for(4s);
  EXPECT_EQ(find().first.contacts.size(), 1u);
}

TEST_F(UsersTest, ManyWhoAskAtOnceCostOneLookup) {
  int answers = 0;
  for (int i = 0; i < 10; ++i) users.find(alice, [&](const UserLookup&) { ++answers; });
  EXPECT_EQ(answers, 0);
  loop.run_for(3s);
  EXPECT_EQ(answers, 10);
  EXPECT_EQ(metrics.value("overlay_user_lookups_total{result=\"unknown\"}"), 1u);
}

TEST_F(UsersTest, RegistrationsAtTwoHomesAreForked) {
  there->put(record(signer, "one"));
  there->put(record(other, "two"));
  loop.run_for(1s);
  EXPECT_EQ(find().first.contacts.size(), 2u);
}

TEST_F(UsersTest, WhileAUserIsCalledNewsAreHeard) {
  there->put(record(signer, "one"));
  loop.run_for(1s);
  find();
  there->put(record(other, "two"));
  loop.run_for(1s);
  auto [answer, took] = find();
  EXPECT_EQ(took, 0ms);
  EXPECT_EQ(answer.contacts.size(), 2u);
  there->put(tombstone(signer));
  loop.run_for(1s);
  EXPECT_EQ(find().first.contacts.size(), 1u);
  there->put(tombstone(other));
  loop.run_for(1s);
  EXPECT_TRUE(find().first.known);
  EXPECT_TRUE(find().first.contacts.empty());
}

TEST_F(UsersTest, AContactThatExpiresIsGoneWithoutNews) {
  there->put(record(signer, "one", 30s));
  loop.run_for(1s);
  EXPECT_EQ(find().first.contacts.size(), 1u);
  loop.run_for(40s);
  auto [answer, took] = find();
  EXPECT_TRUE(answer.contacts.empty());
  EXPECT_TRUE(answer.known);
}

TEST_F(UsersTest, WhatThisPeerPutIsSeenAtOnce) {
  EXPECT_FALSE(find().first.known);
  Record mine = record(signer, "mine");
  here->put(mine);
  users.learned(mine);
  auto [answer, took] = find();
  EXPECT_EQ(took, 0ms);
  EXPECT_EQ(answer.contacts.size(), 1u);
}

TEST_F(UsersTest, ForgottenIsLookedUpAgainAndAnsweredQuickly) {
  there->put(record(signer, "one"));
  loop.run_for(1s);
  find();
  users.forget(alice);
  auto [answer, took] = find();
  EXPECT_EQ(answer.contacts.size(), 1u);
  EXPECT_EQ(took, 20ms);
}

TEST_F(UsersTest, AloneIsAnsweredAtOnce) {
  there.reset();
  ASSERT_TRUE(here->alone());
  here->put(record(signer, "one"));
  EXPECT_EQ(find().second, 0ms);
  EXPECT_EQ(find().first.contacts.size(), 1u);
}

TEST_F(UsersTest, WhoIsNotCalledIsForgottenAndNotListenedTo) {
  there->put(record(signer, "one"));
  loop.run_for(1s);
  find();
  loop.run_for(Users::kKeepAfterCall + 30s);
  there->put(record(other, "two"));
  loop.run_for(1s);
  auto [answer, took] = find();
  EXPECT_EQ(took, 20ms);
  EXPECT_EQ(answer.contacts.size(), 2u);
}

TEST_F(UsersTest, ForgedRecordsAreNotSeen) {
  Record forged = record(signer, "one");
  forged.encoded.back() ^= 1;
  world.plant(alice, forged.encoded);
  world.plant(alice, {1, 2, 3});
  loop.run_for(1s);
  EXPECT_FALSE(find().first.known);
}

TEST_F(UsersTest, NothingIsCalledAfterDestruction) {
  auto short_lived = std::make_unique<Users>(loop, *here, metrics);
  int answers = 0;
  short_lived->find(alice, [&](const UserLookup&) { ++answers; });
  short_lived.reset();
  loop.run_for(5s);
  EXPECT_EQ(answers, 0);
}

// An overlay whose answers come one by one, so that the time of the answer can be seen.
class SlowOverlay final : public Overlay {
 public:
  explicit SlowOverlay(base::Loop& loop) : loop_(loop) {}
  void come(base::Duration after, Record record) {
    timers_.push_back(std::make_unique<base::Timer>(loop_.timers(), [this, record] { on_record_(record); }));
    timers_.back()->start(after);
  }
  void put(const Record&) override {}
  void get(std::string_view, base::Duration patience, OnRecord on_record, OnDone on_done) override {
    on_record_ = std::move(on_record);
    on_done_ = std::move(on_done);
    end_.start(patience);
  }
  ListenId listen(std::string_view, std::function<void(const Record&)>) override { return 1; }
  void unlisten(ListenId) override {}
  bool alone() const override { return false; }

 private:
  base::Loop& loop_;
  OnRecord on_record_;
  OnDone on_done_;
  std::vector<std::unique_ptr<base::Timer>> timers_;
  base::Timer end_{loop_.timers(), [this] { on_done_({}); }};
};

TEST_F(UsersTest, TheFirstRecordAnswersAndASecondOneShortlyAfterIsStillSeen) {
  SlowOverlay slow(loop);
  Users patient(loop, slow, metrics);
  std::optional<UserLookup> answer;
  patient.find(alice, [&](const UserLookup& lookup) { answer = lookup; });
  slow.come(100ms, record(signer, "one"));
  slow.come(130ms, record(other, "two"));
  loop.run_for(149ms);
  EXPECT_FALSE(answer);
  loop.run_for(1ms);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->contacts.size(), 2u);
  loop.run_for(5s);
}

TEST_F(UsersTest, NoAnswerEndsWithPatience) {
  SlowOverlay slow(loop);
  Users patient(loop, slow, metrics);
  std::optional<UserLookup> answer;
  patient.find(alice, [&](const UserLookup& lookup) { answer = lookup; });
  loop.run_for(limits::kLookupPatience);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->known);
}

// Whoever calls thousands who are not there does not make this peer flood the others.
TEST_F(UsersTest, LookupsUnderWayAreBounded) {
  std::size_t refused = 0, answered = 0;
  const auto ask = [&](int i) {
    users.find("sip:nobody" + std::to_string(i) + "@p2psip.org", [&](const UserLookup& lookup) {
      refused += lookup.refused;
      answered += !lookup.refused;
    });
  };
  for (int i = 0; i < 1500; ++i) ask(i);
  EXPECT_EQ(refused, 1500 - limits::kMaxUserLookups);
  EXPECT_EQ(metrics.value("overlay_user_lookups_total{result=\"refused\"}"), refused);
  ask(7);  // is being looked up already
  loop.run_for(3s);
  EXPECT_EQ(answered, limits::kMaxUserLookups + 1);
  ask(1400);
  loop.run_for(3s);
  EXPECT_EQ(answered, limits::kMaxUserLookups + 2);
  EXPECT_EQ(refused, 1500 - limits::kMaxUserLookups);
}

TEST_F(UsersTest, TheMemoryIsBounded) {
  there->put(record(signer, "one"));
  loop.run_for(1s);
  Users few(loop, *here, metrics, 100);
  std::optional<UserLookup> answer;
  few.find(alice, [&](const UserLookup& lookup) { answer = lookup; });
  loop.run_for(1s);
  ASSERT_TRUE(answer && answer->known);
  for (int i = 0; i < 1000; ++i) {
    few.find("sip:u" + std::to_string(i) + "@p2psip.org", [](const UserLookup&) {});
    loop.run_for(20ms);  // a hundred would be forgotten by themselves after five seconds
  }
  EXPECT_GE(metrics.value("overlay_users_forgotten_total"), 1u);
  answer.reset();
  few.find(alice, [&](const UserLookup& lookup) { answer = lookup; });
  loop.run_for(1s);
  EXPECT_TRUE(answer && answer->known);  // forgotten or not
}

}  // namespace
}  // namespace causeway::overlay
