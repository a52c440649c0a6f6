// What a call costs on the hot path: one peer, a registered phone, UDP. The sanitizers bring a heap of
// their own, so there is nothing to count under them.
#include "proxy/world_test.h"

namespace causeway::proxy::testing {
namespace {

using Cost = ProxyTest;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(Cost, ACallTakesNothingFromTheHeap) {
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
#endif

}  // namespace
}  // namespace causeway::proxy::testing
