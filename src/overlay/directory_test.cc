#include "overlay/directory.h"

#include <deque>
#include <map>

#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.h"
#include "base/sim_loop.h"
#include "overlay/memory_overlay.h"
#include "overlay/test_world.h"
#include "stun/binding.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

class DirectoryTest : public testing::Test {
 protected:
  struct Provider {
    identity::Bundle bundle;
    Signer signer;
    std::unique_ptr<Overlay> overlay;
    std::unique_ptr<Directory> directory;
  };

  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  TestDomain domain;
  MemoryOverlayWorld world{loop, "p2psip.org", domain.authority.key(), metrics, 20ms};
  const std::string proxies = "sip:p2psip.org";
  Provider asker = provider();

  Provider provider() {
    identity::Bundle bundle = domain.issue({identity::Role::proxy}, {}, loop.unix_now());
    Signer signer{bundle.key, bundle.credential};
    return {std::move(bundle), std::move(signer), world.join(), nullptr};
  }
  void SetUp() override { start(asker); }
  void start(Provider& p) {
    p.directory = std::make_unique<Directory>(loop, *p.overlay, p.signer, random, metrics);
  }
  ServiceBody body(const Provider& p, std::uint32_t capacity = 100, std::uint32_t load = 0) {
    ServiceBody made;
    made.peer = p.bundle.peer_id();
    made.links = {*net::Address::parse("10.0.0.1:5061")};
    made.endpoints = {*net::Endpoint::parse("udp:192.0.2.1:5060")};
    made.capacity = capacity;
    made.load = load;
    return made;
  }
  std::vector<ServiceBody> find() {
    std::optional<std::vector<ServiceBody>> found;
    asker.directory->find(proxies, [&](std::vector<ServiceBody> list) {
      EXPECT_FALSE(found) << "answered twice";
      found = std::move(list);
    });
    EXPECT_TRUE(loop.run_until([&] { return found.has_value(); }, 5s));
    return found.value_or(std::vector<ServiceBody>{});
  }
};

TEST_F(DirectoryTest, AnOfferIsFoundKeptAliveAndWithdrawn) {
  EXPECT_TRUE(find().empty());
  Provider p = provider();
  start(p);
  p.directory->offer(proxies, body(p));
  loop.run_for(3s);
  ASSERT_EQ(find().size(), 1u);
  EXPECT_EQ(find()[0].peer, p.bundle.peer_id());
  EXPECT_EQ(find()[0].endpoints, body(p).endpoints);
  loop.run_for(10min);
  EXPECT_EQ(find().size(), 1u);
  p.directory->withdraw(proxies);
  loop.run_for(3s);
  EXPECT_TRUE(find().empty());
}

TEST_F(DirectoryTest, AProviderThatDiedIsGoneAfterItsLife) {
  Provider p = provider();
  start(p);
  p.directory->offer(proxies, body(p));
  loop.run_for(3s);
  EXPECT_EQ(find().size(), 1u);
  p.directory.reset();
  p.overlay.reset();
  loop.run_for(60s);
  EXPECT_EQ(find().size(), 1u);
  loop.run_for(61s);
  EXPECT_TRUE(find().empty());
}

TEST_F(DirectoryTest, AFreshListAnswersAtOnceAndHearsNews) {
  Provider p = provider(), q = provider();
  start(p);
  start(q);
  p.directory->offer(proxies, body(p));
  loop.run_for(1s);
  find();
  q.directory->offer(proxies, body(q));
  loop.run_for(1s);
  base::Instant before = loop.now();
  EXPECT_EQ(find().size(), 2u);
  EXPECT_EQ(loop.now(), before);
}

TEST_F(DirectoryTest, AChangeIsPublishedAfterThePauseAndASmallOneAtTheRefresh) {
  Provider p = provider();
  start(p);
  auto published = [&] { return metrics.value("overlay_services_published_total"); };
  auto load = [&] {
    const auto found = find();
    return found.size() == 1 ? found[0].load : 999;
  };
  p.directory->offer(proxies, body(p, 100, 0));
  p.directory->offer(proxies, body(p, 100, 50));
  loop.run_for(Directory::kPause - 1s);
  EXPECT_EQ(load(), 0u);
  EXPECT_EQ(published(), 1u);
  loop.run_for(2s);
  EXPECT_EQ(load(), 50u);
  p.directory->offer(proxies, body(p, 100, 54));
  loop.run_for(Directory::kRefresh - 5s);
  EXPECT_EQ(load(), 50u);
  loop.run_for(10s);
  EXPECT_EQ(load(), 54u);
  EXPECT_EQ(published(), 3u);
  p.directory->offer(proxies, body(p, 100, 90));
  p.directory->offer(proxies, body(p, 100, 90));
  loop.run_for(20s);
  EXPECT_EQ(load(), 90u);
  EXPECT_EQ(published(), 4u);
}

TEST_F(DirectoryTest, WithdrawnAtOnceAndOfferedAgainAfterThePause) {
  Provider p = provider();
  start(p);
  p.directory->offer(proxies, body(p));
  loop.run_for(1s);
  EXPECT_EQ(find().size(), 1u);
  p.directory->withdraw(proxies);
  p.directory->offer(proxies, body(p));
  loop.run_for(1s);
  EXPECT_TRUE(find().empty());
  loop.run_for(Directory::kPause);
  EXPECT_EQ(find().size(), 1u);
}

TEST_F(DirectoryTest, TheOrderIsRandomByFreeCapacityAndFailedOnesComeLast) {
  Provider idle = provider(), half = provider(), full = provider();
  for (Provider* p : {&idle, &half, &full}) start(*p);
  idle.directory->offer(proxies, body(idle, 100, 0));
  half.directory->offer(proxies, body(half, 100, 50));
  full.directory->offer(proxies, body(full, 100, 100));
  loop.run_for(1s);
  std::map<identity::PeerId, int> first;
  for (int i = 0; i < 3000; ++i) {
    auto list = find();
    ASSERT_EQ(list.size(), 3u);
    ++first[list[0].peer];
  }
  // Weights 100, 50 and 1.
  EXPECT_NEAR(first[idle.bundle.peer_id()], 1987, 150);
  EXPECT_NEAR(first[half.bundle.peer_id()], 993, 150);
  EXPECT_LT(first[full.bundle.peer_id()], 60);

  asker.directory->failed(idle.bundle.peer_id());
  loop.run_for(1s);
  asker.directory->failed(half.bundle.peer_id());
  for (int i = 0; i < 50; ++i) {
    auto list = find();
    EXPECT_EQ(list[0].peer, full.bundle.peer_id());
    EXPECT_EQ(list[1].peer, idle.bundle.peer_id());  // its failure is the older one
  }
  loop.run_for(Directory::kFailurePenalty);
  int idle_first = 0;
  for (int i = 0; i < 100; ++i) idle_first += find()[0].peer == idle.bundle.peer_id();
  EXPECT_GT(idle_first, 30);
}

TEST_F(DirectoryTest, AListThatNobodyAsksForIsDroppedAndFoundAgain) {
  Provider p = provider();
  start(p);
  p.directory->offer(proxies, body(p));
  loop.run_for(1s);
  find();
  loop.run_for(10min);
  EXPECT_EQ(find().size(), 1u);
}

TEST_F(DirectoryTest, NearnessIsInClassesWithinWhichTheOrderStays) {
  auto order = [](std::vector<int> round_trips) {
    std::vector<Near> all;
    for (const int time : round_trips) all.push_back({{}, base::Duration(time)});
    std::vector<int> sorted;
    for (const Near& one : nearest_first(std::move(all)))
      sorted.push_back(static_cast<int>(one.round_trip.count()));
    return sorted;
  };
  using Order = std::vector<int>;
  EXPECT_EQ(order({}), Order{});
  EXPECT_EQ(order({5, 0, 3}), (Order{5, 0, 3}));
  EXPECT_EQ(order({6, 0, 3}), (Order{0, 3, 6}));
  EXPECT_EQ(order({125, 100, 40, 126, 50}), (Order{40, 50, 125, 100, 126}));
}

// Relays on a simulated network: each answers STUN after a time of its own.
class NearTest : public DirectoryTest {
 protected:
  struct Relay : net::UdpHandler {
    Relay(NearTest& test, Provider& p, std::string_view ip, base::Duration time)
        : provider(p),
          address{*net::Ip::parse(ip), 3478},
          delay(time),
          loop(test.loop),
          network(test.net.host(address.ip)),
          socket(*network->open_udp(address, *this)) {}
    void on_datagrams(std::span<net::Datagram> batch) override {
      for (const net::Datagram& one : batch) {
        ++asked;
        base::Buffer answer = stun::answer_binding({one.bytes.data(), one.bytes.size()}, one.from);
        later.push_back(std::make_unique<base::Timer>(
            loop.timers(), [this, to = one.from, answer] { socket->send(to, answer); }));
        later.back()->start(delay);
      }
    }
    Provider& provider;
    net::Address address;
    base::Duration delay;
    base::Loop& loop;
    std::unique_ptr<net::Network> network;
    std::unique_ptr<net::UdpSocket> socket;
    std::vector<std::unique_ptr<base::Timer>> later;
    int asked = 0;
  };

  static constexpr base::Duration kLookup = 20ms;  // of the list, once
  const std::string turn = "turn:p2psip.org";
  net::SimNetwork net{loop, random};
  std::unique_ptr<net::Network> own = net.host(*net::Ip::parse("10.0.0.1"));
  RoundTrips round_trips{loop, *own, random, metrics};
  std::deque<Provider> providers;
  std::deque<Relay> relays;

  NearTest() { net.set_delay(5ms, 5ms); }
  Relay& relay(base::Duration time, std::uint32_t load = 0) {
    identity::Bundle bundle = domain.issue({identity::Role::relay}, {}, loop.unix_now());
    Signer signer{bundle.key, bundle.credential};
    Provider& p = providers.emplace_back(std::move(bundle), std::move(signer), world.join(), nullptr);
    start(p);
    Relay& made = relays.emplace_back(*this, p, "10.0.1." + std::to_string(relays.size() + 1), time);
    ServiceBody service = body(p, 100, load);
    service.endpoints = {{net::Transport::tcp, made.address}, {net::Transport::udp, made.address}};
    p.directory->offer(turn, service);
    loop.run_for(200ms);
    return made;
  }
  std::vector<Near> near(std::size_t most = 3) {
    std::optional<std::vector<Near>> found;
    asker.directory->find_near(turn, round_trips, most, [&](std::vector<Near> list) {
      EXPECT_FALSE(found) << "answered twice";
      found = std::move(list);
    });
    EXPECT_TRUE(loop.run_until([&] { return found.has_value(); }, 5s));
    return found.value_or(std::vector<Near>{});
  }
  bool is(const Near& near, const Relay& relay) { return near.body.peer == relay.provider.bundle.peer_id(); }
};

TEST_F(NearTest, TheNearestComeFirstWithTheirRoundTrips) {
  Relay &far = relay(90ms), &near_by = relay(0ms), &between = relay(30ms);
  const auto found = near();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_TRUE(is(found[0], near_by) && is(found[1], between) && is(found[2], far));
  EXPECT_EQ(found[0].round_trip, 10ms);
  EXPECT_EQ(found[2].round_trip, 100ms);
  EXPECT_EQ(near(2).size(), 2u);
}

TEST_F(NearTest, AmongTheEquallyNearTheLessLoadedIsMoreOftenFirstButNotAlways) {
  Relay &idle = relay(0ms, 0), &busy = relay(2ms, 70);
  relay(100ms);
  int idle_first = 0, busy_first = 0;
  for (int i = 0; i < 300; ++i) {
    const auto found = near();
    ASSERT_EQ(found.size(), 3u);
    idle_first += is(found[0], idle);
    busy_first += is(found[0], busy);
  }
  EXPECT_EQ(idle_first + busy_first, 300);
  EXPECT_NEAR(idle_first, 300 * 100 / 130, 40);
  EXPECT_GT(busy_first, 20);
}

TEST_F(NearTest, WhoHasDiedIsNotOfferedWithinTenSecondsAndWhoIsBackIs) {
  Relay &dies = relay(0ms), &lives = relay(0ms);
  EXPECT_EQ(near().size(), 2u);
  const base::Instant death = loop.now();
  net.kill(dies.address.ip);
  while (near().size() == 2 && loop.now() < death + 20s) loop.run_for(100ms);
  EXPECT_LE(loop.now(), death + 10s);
  const auto found = near();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(is(found[0], lives));
  net.revive(dies.address.ip);
  loop.run_for(RoundTrips::kPatience + RoundTrips::kSilenceBelieved);
  near();  // asks it, and does not wait
  loop.run_for(100ms);
  EXPECT_EQ(near().size(), 2u);
}

TEST_F(NearTest, WithEnoughAnswersNobodyWaitsForTheOthers) {
  relay(0ms);
  relay(200ms);
  const base::Instant before = loop.now();
  EXPECT_EQ(near(1).size(), 1u);
  EXPECT_EQ(loop.now() - before, kLookup + 10ms + RoundTrips::kSlack);
}

TEST_F(NearTest, TheSilentAreWaitedForALittleAndTheNextTimeNotAtAll) {
  relay(0ms);
  Relay& silent = relay(0ms);
  net.kill(silent.address.ip);
  const base::Instant before = loop.now();
  EXPECT_EQ(near(2).size(), 1u);
  EXPECT_EQ(loop.now() - before, kLookup + 10ms + RoundTrips::kSlackForMore);
  loop.run_for(RoundTrips::kBelieved);
  const base::Instant again = loop.now();
  EXPECT_EQ(near(2).size(), 1u);
  EXPECT_EQ(loop.now() - again, 10ms);
  // Who was silent is heard again, without being waited for.
  loop.run_for(RoundTrips::kPatience + RoundTrips::kSilenceBelieved);
  net.revive(silent.address.ip);
  EXPECT_EQ(near(2).size(), 1u);
  loop.run_for(100ms);
  EXPECT_EQ(near(2).size(), 2u);
}

TEST_F(NearTest, WhoWantsAllWaitsForTheSilentToo) {
  relay(0ms);
  Relay &silent = relay(0ms), &far = relay(700ms);
  net.kill(silent.address.ip);
  EXPECT_EQ(near(RoundTrips::kAll).size(), 2u);
  net.kill(far.address.ip);
  loop.run_for(RoundTrips::kBelieved);
  EXPECT_EQ(near(RoundTrips::kAll).size(), 1u);
  net.revive(far.address.ip);
  loop.run_for(RoundTrips::kSilenceBelieved);
  EXPECT_EQ(near(RoundTrips::kAll).size(), 2u);
}

TEST_F(NearTest, WhoGetsNoAnswersAtAllWaitsOnce) {
  Relay &slow = relay(600ms), &silent = relay(0ms);
  net.kill(slow.address.ip);
  net.kill(silent.address.ip);
  EXPECT_TRUE(near().empty());
  loop.run_for(RoundTrips::kSilenceBelieved);
  const base::Instant before = loop.now();
  EXPECT_TRUE(near().empty());
  EXPECT_EQ(loop.now(), before);
  net.revive(slow.address.ip);
  loop.run_for(1s);
  EXPECT_EQ(near().size(), 1u);
}

TEST_F(NearTest, WhatWasMeasuredIsBelievedForAWhileAndSharedByAllWhoAsk) {
  Relay& only = relay(0ms);
  int answers = 0;
  for (int i = 0; i < 5; ++i)
    asker.directory->find_near(turn, round_trips, 3, [&](const auto& list) { answers += list.size() == 1; });
  loop.run_for(300ms);
  EXPECT_EQ(answers, 5);
  EXPECT_EQ(only.asked, 1);
  loop.run_for(RoundTrips::kBelieved);
  near();
  EXPECT_EQ(only.asked, 2);
}

TEST_F(NearTest, LostDatagramsAreSentAgainAndTheTimeIsThatOfTheOneAnswered) {
  Relay& only = relay(0ms);
  net.cut(only.address.ip, *net::Ip::parse("10.0.0.1"));
  base::Timer heal(loop.timers(), [&] { net.heal(only.address.ip, *net::Ip::parse("10.0.0.1")); });
  heal.start(400ms);
  const auto found = near();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].round_trip, 10ms);
}

TEST_F(NearTest, WhereNobodyListensAnyMoreIsKnownAtOnce) {
  Relay& only = relay(0ms);
  only.socket.reset();
  const base::Instant before = loop.now();
  EXPECT_TRUE(near().empty());
  EXPECT_LT(loop.now() - before, 200ms);
}

TEST_F(NearTest, SoManyAreMeasuredAndNoMore) {
  for (std::size_t i = 0; i < limits::kMaxMeasured + 8; ++i) relay(0ms);
  EXPECT_EQ(near(limits::kMaxMeasured + 8).size(), limits::kMaxMeasured);
  EXPECT_EQ(std::ranges::count_if(relays, [](const Relay& one) { return one.asked > 0; }),
            static_cast<std::ptrdiff_t>(limits::kMaxMeasured));
}

TEST_F(NearTest, OfSoManyTheRoundTripIsRemembered) {
  Relay& known = relay(0ms);
  const auto measure = [&](std::vector<RoundTrips::Place> places) {
    bool done = false;
    round_trips.measure(std::move(places), 1, [&](const RoundTrips::Times&) { done = true; });
    EXPECT_TRUE(loop.run_until([&] { return done; }, 5s));
  };
  measure({{known.address}});
  measure({{known.address}});
  EXPECT_EQ(known.asked, 1);
  std::vector<RoundTrips::Place> silent;
  for (std::size_t i = 0; i < limits::kMaxRoundTrips; ++i)
    silent.push_back({{*net::Ip::parse("10.1.0.1"), static_cast<std::uint16_t>(10000 + i)}});
  measure(std::move(silent));
  measure({{known.address}});
  EXPECT_EQ(known.asked, 2);
}

TEST_F(NearTest, ForgedAnswersAreStrays) {
  Relay& only = relay(800ms);
  std::string forged = "\x01\x01" + std::string(2, '\0') +
                       "!\x12\xa4"
                       "B" +
                       "abcdefghijkl";
  net::Address to;
  net.on_packet([&](const net::SimPacket& packet) {
    if (packet.to == only.address) to = packet.from;
  });
  base::Timer forge(loop.timers(), [&] {
    only.socket->send(to, base::Buffer::copy_of(forged));
    only.socket->send(to, base::Buffer::copy_of("rubbish"));
  });
  forge.start(100ms);
  const auto found = near();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].round_trip, 810ms);
  EXPECT_EQ(metrics.value("overlay_round_trip_strays_total"), 2u);
}

TEST_F(NearTest, NothingIsCalledAfterEitherIsGone) {
  relay(500ms);
  std::optional<RoundTrips> mine(std::in_place, loop, *own, random, metrics);
  int answers = 0;
  asker.directory->find_near(turn, *mine, 3, [&](const auto&) { ++answers; });
  loop.run_for(100ms);
  ASSERT_GE(relays.back().asked, 1);
  mine.reset();
  loop.run_for(5s);
  EXPECT_EQ(answers, 0);
}

TEST_F(DirectoryTest, NothingIsCalledAfterDestruction) {
  Provider other = provider();
  int answers = 0;
  asker.directory->find(proxies, [&](const auto&) { ++answers; });
  EXPECT_EQ(answers, 0);
  asker.directory.reset();
  loop.run_for(5s);
  EXPECT_EQ(answers, 0);
}

}  // namespace
}  // namespace causeway::overlay
