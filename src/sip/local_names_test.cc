#include "sip/local_names.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/sim_loop.h"
#include "net/sim_network.h"

namespace causeway::sip {
namespace {

// A peer that is asked about many must not remember them all.
TEST(LocalNames, RoutesToSoManyAreRemembered) {
  base::SimLoop loop;
  base::Random random(1);
  net::SimNetwork world(loop, random);
  const auto network = world.host(*net::Ip::parse("192.0.2.1"));
  LocalNames names(loop, *network);
  for (std::uint32_t i = 0; i < 3 * limits::kMaxSources; ++i) {
    EXPECT_EQ(names.source_for(net::Ip::v4(0x0a000000 + i)), *net::Ip::parse("192.0.2.1"));
    ASSERT_LE(names.routes_remembered(), limits::kMaxSources);
  }
  EXPECT_GT(names.routes_remembered(), 0u);
}

}  // namespace
}  // namespace causeway::sip
