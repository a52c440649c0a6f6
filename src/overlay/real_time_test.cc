// The overlay on real sockets in real time: how long a domain takes to come up.
#include <gtest/gtest.h>

#include "base/epoll_loop.h"
#include "net/real_network.h"
#include "overlay/test_world.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

long long ms_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

TEST(RealTime, ASecondPeerJoinsAndFindsARecordWithinTwoSeconds) {
  auto loop = base::make_epoll_loop();
  base::Random random;
  TestDomain domain;
  base::Metrics metrics;
  auto network = net::make_real_network(*loop, metrics);
  auto first = std::make_unique<TestPeer>(domain.issue({identity::Role::registrar}, {}, loop->unix_now()),
                                          *net::Ip::parse("127.0.0.1"), nullptr);
  auto second = std::make_unique<TestPeer>(domain.issue({identity::Role::registrar}, {}, loop->unix_now()),
                                           *net::Ip::parse("127.0.0.1"), nullptr);
  auto config = [&](const TestPeer& peer, std::uint16_t port, std::vector<net::Address> bootstrap) {
    OpenDhtConfig c;
    c.domain = peer.bundle.domain;
    c.peer = peer.bundle.peer_id();
    c.network_key = peer.bundle.network_key;
    c.listen = {{peer.ip, port}};
    c.bootstrap = std::move(bootstrap);
    return c;
  };
  std::uint16_t port = static_cast<std::uint16_t>(20000 + random.below(10000));

  auto start = Clock::now();
  auto made =
      make_opendht_overlay(*loop, *network, random, first->metrics, first->checker, config(*first, port, {}));
  ASSERT_TRUE(made) << made.error().message;
  first->overlay = std::move(*made);
  base::UnixMs now = loop->unix_now();
  Record record = first->signer.sign(Kind::user, "sip:alice@p2psip.org", now, now + 600'000,
                                     encode(body_at(first->bundle.peer_id(), "t", now)));
  first->overlay->put(record);
  bool ready = false;
  first->overlay->get(record.uri, 2s, nullptr, [&](const auto& records) { ready = records.size() == 1; });
  EXPECT_TRUE(ready);
  long long first_ready = ms_since(start);
  loop->run_for(50ms);

  start = Clock::now();
  made = make_opendht_overlay(*loop, *network, random, second->metrics, second->checker,
                              config(*second, static_cast<std::uint16_t>(port + 1), {{first->ip, port}}));
  ASSERT_TRUE(made) << made.error().message;
  second->overlay = std::move(*made);
  std::size_t found = 0;
  second->overlay->get(
      record.uri, 2s, [&](const Record&) { return false; },
      [&](const auto& records) {
        found = records.size();
        loop->stop();
      });
  loop->run_for(5s);
  long long second_found = ms_since(start);
  EXPECT_EQ(found, 1u);
  std::printf("first peer ready after %lld ms; second one joined and found a record after %lld ms\n",
              first_ready, second_found);
  EXPECT_LT(first_ready, 500 * kSlowness);
  EXPECT_LT(second_found, 2000 * kSlowness);
  second->overlay.reset();
  first->overlay.reset();
}

}  // namespace
}  // namespace causeway::overlay
