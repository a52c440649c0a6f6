// The overlay at the size of a real domain, on the simulated network.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include <time.h>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "overlay/dht_node.h"
#include "overlay/test_world.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

double cpu_seconds() {
  timespec t;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

struct Lookups {
  struct Missed {
    TestPeer* asker;
    std::string uri;
  };
  int asked = 0, found = 0;
  std::vector<base::Duration> times;  // sorted
  std::vector<Missed> missed;

  long long percentile(std::size_t p) const {
    return times.empty() ? 0 : static_cast<long long>(times[(times.size() - 1) * p / 100].count());
  }
};

// Every user is looked for from `from_each` peers drawn at random.
Lookups look_for_all(TestWorld& world, const std::vector<std::string>& uris,
                     const std::vector<TestPeer*>& askers, int from_each) {
  Lookups result;
  int open = 0;
  for (const std::string& uri : uris)
    for (int i = 0; i < from_each; ++i) {
      TestPeer* asker = askers[world.random.below(askers.size())];
      base::Instant start = world.loop.now();
      ++result.asked;
      ++open;
      auto found = std::make_shared<bool>();
      asker->overlay->get(
          uri, limits::kLookupPatience, [found](const Record&) { return !(*found = true); },
          [&result, &open, &world, start, found, asker, uri](const auto&) {
            --open;
            if (!*found) return result.missed.push_back({asker, uri});
            ++result.found;
            result.times.push_back(world.loop.now() - start);
          });
      world.run_for(5ms);
    }
  world.loop.run_until([&] { return open == 0; }, 5s);
  EXPECT_EQ(open, 0);
  std::sort(result.times.begin(), result.times.end());
  return result;
}

// Whether the eight peers nearest to the key, which hold the record, are all among the first `vanished`: the
// chance of that is one in 700,000 for each user.
bool is_lost(const TestWorld& world, std::string_view uri, int vanished) {
  constexpr std::size_t kHolders = 8;
  const identity::Sha256 key = identity::sha256(base::as_bytes(uri));
  std::vector<std::pair<DhtKey, bool>> peers;  // distance, whether it vanished
  for (const auto& peer : world.peers) {
    DhtKey distance = peer->bundle.peer_id().bytes();
    for (std::size_t i = 0; i < distance.size(); ++i) distance[i] ^= key[i];
    peers.emplace_back(distance, std::ssize(peers) < vanished);
  }
  std::ranges::partial_sort(peers, peers.begin() + kHolders);
  return std::all_of(peers.begin(), peers.begin() + kHolders, [](const auto& peer) { return peer.second; });
}

TEST(Scale, TwoHundredPeersFindFiveHundredUsersAlsoAfterAFifthOfThemVanished) {
  constexpr int kPeers = kSlowness > 1 ? 60 : 200, kUsers = kSlowness > 1 ? 150 : 500;
  double started = cpu_seconds();
  TestWorld world;
  world.defaults.refused_types = 0;  // 65,536 each would be 2 GB; see hostile_test.cc
  for (int i = 0; i < kPeers; ++i) {
    world.join();
    world.run_for(20ms);
  }
  world.run_for(10s);
  double joined = cpu_seconds();
  for (auto& peer : world.peers) ASSERT_TRUE(peer->overlay->health().connected);

  std::vector<std::string> uris;
  for (int i = 0; i < kUsers; ++i) {
    TestPeer& home = *world.peers[world.random.below(world.peers.size())];
    Record record = world.user(home, "user" + std::to_string(i));
    uris.push_back(record.uri);
    home.overlay->put(record);
    world.run_for(5ms);
  }
  world.run_for(2s);
  double put = cpu_seconds();

  std::vector<TestPeer*> all;
  for (auto& peer : world.peers) all.push_back(peer.get());
  Lookups before = look_for_all(world, uris, all, 2);
  double looked = cpu_seconds();
  EXPECT_EQ(before.found, before.asked);
  EXPECT_LT(before.percentile(95), 300);

  // The oldest vanish: the first one, whom everybody asked when joining, and those whom the others have known
  // for longest and so ask first. The library asks four at a time and waits a second for those that are
  // silent: a lookup that comes upon four dead ones twice is out of patience, about one in 5,000. None of
  // them are asked again, so that the same peer finds the user the next time.
  constexpr int kVanished = kPeers / 5;
  std::vector<TestPeer*> alive(all.begin() + kVanished, all.end());
  for (int i = 0; i < kVanished; ++i) world.network.kill(all[static_cast<std::size_t>(i)]->ip);
  Lookups after = look_for_all(world, uris, alive, 2);
  std::erase_if(after.missed, [&](const auto& missed) { return is_lost(world, missed.uri, kVanished); });
  EXPECT_LE(std::ssize(after.missed), after.asked / 100);
  for (const auto& [asker, uri] : after.missed) EXPECT_FALSE(world.get(*asker, uri).empty()) << uri;

  std::uint64_t refused = 0, ignored = 0, unsendable = 0;
  std::size_t held = 0;
  for (auto& peer : world.peers) {
    ignored += peer->metrics.value("overlay_read_ignored_total");
    refused += peer->metrics.value("overlay_store_refused_total{reason=\"invalid\"}");
    unsendable += peer->metrics.value("overlay_datagrams_dropped_total{reason=\"unsendable\"}");
    held += peer->overlay->health().stored_records;
  }
  EXPECT_EQ(refused, 0u);
  EXPECT_EQ(ignored, 0u);
  EXPECT_EQ(unsendable, 0u);
  std::printf("%d peers, %d users: found %d of %d, p50 %lld ms, p95 %lld ms\n", kPeers, kUsers, before.found,
              before.asked, before.percentile(50), before.percentile(95));
  std::printf("after a fifth vanished: found %d of %d, p50 %lld ms, p95 %lld ms, longest %lld ms\n",
              after.found, after.asked, after.percentile(50), after.percentile(95), after.percentile(100));
  std::printf(
      "%llu datagrams, %.1f copies of each record; CPU seconds: join %.1f, put %.1f, get %.1f and %.1f\n",
      static_cast<unsigned long long>(world.network.totals().datagrams), static_cast<double>(held) / kUsers,
      joined - started, put - joined, looked - put, cpu_seconds() - looked);
}

}  // namespace
}  // namespace causeway::overlay
