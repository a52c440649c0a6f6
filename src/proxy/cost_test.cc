// What a call costs on the hot path: one peer, a registered phone, UDP. The sanitizers bring a heap of
// their own, so there is nothing to count under them.
#include "proxy/world_test.h"

#include <cstring>

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

// As phones do it: with the nonce of the last time, a new CSeq and a new branch.
TEST_F(Cost, ARefreshingRegisterTakesNothingFromTheHeap) {
  auto& p = world.peer();
  auto& bob = world.phone("bob", p);
  world.net.on_packet({});
  std::string text = bob.ask({.method = "REGISTER",
                              .uri = "sip:p2psip.org",
                              .extra = "Contact: <" + bob.contact() +
                                       ";ob>;expires=3600;+sip.instance=\"<urn:uuid:1>\"\r\n"
                                       "Supported: outbound, path, gruu\r\n",
                              .to = "<" + bob.uri + ">",
                              .call_id = "reg",
                              .contact = false});
  ASSERT_FALSE(bob.wait("SIP/2.0 200").empty());
  const auto again = [&](int number) {
    for (const auto& [begin, end] : {std::pair("branch=", "\r\n"), std::pair("CSeq: ", " REGISTER\r\n")}) {
      const auto at = text.find(begin) + std::strlen(begin);
      const std::string value = std::string(*begin == 'b' ? "z9hG4bKagain" : "") + std::to_string(number);
      text.replace(at, text.find(end, at) - at, value);
    }
    bob.send(text);
    return !bob.wait("SIP/2.0 200").empty();
  };
  for (int warm = 0; warm < 20; ++warm) ASSERT_TRUE(again(100 + warm));
  world.run(40s);  // until their answers need not be kept any longer
  p.gauge().allocations = 0;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(again(200 + i));
  EXPECT_EQ(p.count("registrar_refreshes_total"), 40u);
  EXPECT_EQ(p.gauge().allocations, 0u);
}
#endif

}  // namespace
}  // namespace causeway::proxy::testing
