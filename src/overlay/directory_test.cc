#include "overlay/directory.h"

#include <map>

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "overlay/memory_overlay.h"
#include "overlay/test_world.h"

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

TEST_F(DirectoryTest, OneChangedOfferReplacesTheOther) {
  Provider p = provider();
  start(p);
  p.directory->offer(proxies, body(p, 100, 0));
  p.directory->offer(proxies, body(p, 100, 50));
  loop.run_for(1s);
  ASSERT_EQ(find().size(), 1u);
  EXPECT_EQ(find()[0].load, 50u);
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
