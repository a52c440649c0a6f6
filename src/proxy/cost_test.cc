// What a call costs on the hot path: one peer, a registered phone, UDP.
#include "proxy/world_test.h"

namespace causeway::proxy::testing {
namespace {

using Cost = ProxyTest;

TEST_F(Cost, ACallTakesNothingFromTheHeap) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer counts for itself";
#endif
  auto& p = world.peer({.proxy = true});
  auto& bob = world.phone("bob", p);
  auto& carol = world.outsider("sip:carol@example.com", p);
  world.net.on_packet({});  // the test's own ear costs, too
  for (int warm = 0; warm < 20; ++warm) {
    auto c = call(carol, bob, "sip:bob@p2psip.org");
    ASSERT_TRUE(bye(carol, c.caller, bob));
    world.run(40s);
  }
  p.gauge().allocations = 0;
  auto c = call(carol, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(bye(carol, c.caller, bob));
  EXPECT_EQ(p.gauge().allocations, 0u);
}

}  // namespace
}  // namespace causeway::proxy::testing
