#include "sip/source_limit.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"

namespace causeway::sip {
namespace {

using namespace std::chrono_literals;
using net::Ip;

class Sources : public ::testing::Test {
 protected:
  Sources() { limit.configure({.rate = 10, .secret = {1, 2}}); }
  // How many of so many answers it may get now.
  int answers(const Ip& source, int wanted) {
    int given = 0;
    for (int i = 0; i < wanted; ++i) given += limit.take(source);
    return given;
  }
  static Ip ip(const char* text) { return *Ip::parse(text); }

  base::SimLoop loop;
  base::Metrics metrics;
  SourceLimit limit{loop, metrics};
  const Ip victim = ip("192.0.2.7");
  static constexpr int kBurst = 40;  // four seconds' worth
};

TEST_F(Sources, ABurstAndThenTheRate) {
  EXPECT_EQ(limit.bytes(), 0u);  // nothing is kept before there is a stranger
  EXPECT_EQ(answers(victim, 1000), kBurst);
  EXPECT_EQ(metrics.value("sip_stranger_answers_total"), 40u);
  EXPECT_EQ(metrics.value("sip_stranger_unanswered_total{reason=\"rate\"}"), 960u);
  loop.run_for(1s);
  EXPECT_EQ(answers(victim, 1000), 10);
  loop.run_for(1min);
  EXPECT_EQ(answers(victim, 1000), kBurst);
  EXPECT_EQ(answers(ip("192.0.2.8"), 1000), kBurst);  // everybody for himself
}

TEST_F(Sources, AHostHasAllAddressesOfItsPrefix) {
  EXPECT_EQ(answers(ip("2001:db8:1:2::1"), 30), 30);
  EXPECT_EQ(answers(ip("2001:db8:1:2:ffff::9"), 30), kBurst - 30);
  EXPECT_EQ(answers(ip("2001:db8:1:3::1"), 100), kBurst);
  EXPECT_EQ(answers(ip("::1:2:3:4"), 100), kBurst);
  EXPECT_EQ(answers(Ip::v4(0), 100), kBurst);
}

// As with TCP: two more for each that has arrived.
TEST_F(Sources, WhoShowsThatAnswersArriveIsNotLimited) {
  int per_round = kBurst;
  for (int round = 0; round < 6; ++round) {
    EXPECT_EQ(answers(victim, per_round), per_round);
    for (int i = 0; i < per_round; ++i) limit.arrived(victim);
    per_round *= 2;
  }
  EXPECT_TRUE(limit.is_proven(victim));
  EXPECT_FALSE(limit.is_proven(ip("192.0.2.8")));
  // Somebody else who says that he is this one gets what was in store, and then ten times the rate, for an
  // hour.
  EXPECT_LE(answers(victim, 10'000), limits::kMaxStrangerCredit + 2);
  loop.run_for(1s);
  EXPECT_EQ(answers(victim, 10'000), 100);
  loop.run_for(1h);
  EXPECT_FALSE(limit.is_proven(victim));
  answers(victim, 10'000);
  loop.run_for(1s);
  EXPECT_EQ(answers(victim, 10'000), 10);
}

TEST_F(Sources, TheStoreIsBounded) {
  for (int i = 0; i < 100'000; ++i) limit.arrived(victim);
  EXPECT_LE(answers(victim, 100'000), limits::kMaxStrangerCredit + 2);
}

// The table keeps its size; who is limited stays limited, and who has proved himself keeps what he has.
TEST_F(Sources, AMillionForgedSourcesPushOutEachOther) {
  const Ip provider = ip("198.51.100.5");
  for (int i = 0; i < 100; ++i) limit.arrived(provider);
  EXPECT_EQ(answers(victim, 1000), kBurst);
  const auto bytes = limit.bytes();
  EXPECT_EQ(bytes, limits::kStrangerSources * 24);
  int answered = 0;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) answered += limit.take(Ip::v4(0x0a000000 + i));
  EXPECT_EQ(answered, 1'000'000);  // one each
  EXPECT_EQ(limit.bytes(), bytes);
  EXPECT_EQ(answers(victim, 1000), 0);
  EXPECT_EQ(answers(provider, 1000), 240);
}

TEST_F(Sources, TheOperatorMayLiftIt) {
  limit.configure({.rate = 0});
  EXPECT_EQ(answers(victim, 100'000), 100'000);
  EXPECT_EQ(limit.bytes(), 0u);
  limit.configure({.rate = 100'000});
  EXPECT_EQ(answers(victim, 100'000), limits::kMaxStrangerCredit);
}

TEST_F(Sources, WhoCanBeForged) {
  EXPECT_TRUE(SourceLimit::can_be_forged(net::Transport::udp, victim));
  EXPECT_FALSE(SourceLimit::can_be_forged(net::Transport::tcp, victim));
  EXPECT_FALSE(SourceLimit::can_be_forged(net::Transport::udp, ip("127.0.0.1")));
  EXPECT_FALSE(SourceLimit::can_be_forged(net::Transport::udp, ip("::1")));
}

}  // namespace
}  // namespace causeway::sip
