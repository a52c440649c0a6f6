#include "overlay/held_records.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "overlay/check_memory.h"
#include "overlay/in_order.h"
#include "overlay/node_file.h"
#include "overlay/record_set.h"
#include "overlay/silence.h"
#include "overlay/test_world.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;
using Answer = HeldRecords::Answer;

constexpr base::UnixMs kNow = base::SimLoop::kUnixStart;

Record made(const identity::PublicKey& signer, std::string uri, base::UnixMs sequence, base::UnixMs expiry,
            std::size_t size = 500) {
  Record record;
  record.uri = std::move(uri);
  record.sequence = sequence;
  record.expiry = expiry;
  record.body = {1};
  record.credential.key = signer;
  record.encoded.resize(size);
  return record;
}

identity::PublicKey new_key() { return identity::PrivateKey::generate().public_key(); }

TEST(HeldRecords, ANewVersionTakesThePlaceOfTheOldOneWhichIsEmptied) {
  HeldRecords held;
  auto key = new_key(), other = new_key();
  int first = 0, again = 0, second = 0, third = 0;
  EXPECT_EQ(held.add(
                made(key, "a", 1, kNow + 1000), [&] { ++first; }, kNow),
            Answer::stored);
  EXPECT_EQ(held.add(
                made(key, "a", 1, kNow + 1000), [&] { ++again; }, kNow),
            Answer::known);
  EXPECT_EQ(held.add(
                made(other, "a", 1, kNow + 1000), [&] { ++third; }, kNow),
            Answer::stored);
  EXPECT_EQ(held.add(
                made(key, "a", 2, kNow + 1000), [&] { ++second; }, kNow),
            Answer::stored);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(again, 1);
  EXPECT_EQ(second, 0);
  EXPECT_EQ(held.add(
                made(key, "a", 1, kNow + 1000), [&] { ADD_FAILURE(); }, kNow),
            Answer::old);
  Record twin = made(key, "a", 2, kNow + 1000);
  twin.encoded[0] = 9;
  EXPECT_EQ(held.add(
                twin, [&] { ADD_FAILURE(); }, kNow),
            Answer::old);
  EXPECT_EQ(held.records(), 2u);
  EXPECT_EQ(held.bytes(), 1000u);
  held.expire(kNow + 1000);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(third, 1);
  EXPECT_EQ(held.records(), 0u);
  EXPECT_EQ(held.bytes(), 0u);
}

TEST(HeldRecords, SignersUnderOneUriAreLimitedAndExpiredOnesMakeRoom) {
  HeldRecords held;
  for (std::size_t i = 0; i < limits::kMaxSignersPerKey; ++i)
    EXPECT_EQ(held.add(made(new_key(), "a", 1, kNow + (i == 0 ? 1000 : 9000)), {}, kNow), Answer::stored);
  EXPECT_EQ(held.add(made(new_key(), "a", 1, kNow + 9000), {}, kNow), Answer::full);
  EXPECT_EQ(held.add(made(new_key(), "b", 1, kNow + 9000), {}, kNow), Answer::stored);
  EXPECT_EQ(held.add(made(new_key(), "a", 1, kNow + 9000), {}, kNow + 2000), Answer::stored);
}

TEST(HeldRecords, OneMemberCannotFillAHolder) {
  const std::size_t big = 1 << 20;
  HeldRecords held(20 * big);
  auto greedy = new_key(), modest = new_key();
  std::size_t taken = 0;
  for (int i = 0; i < 200; ++i)
    taken += held.add(made(greedy, std::to_string(i), 1, kNow + 9000, big), {}, kNow) == Answer::stored;
  EXPECT_EQ(taken, 10u);
  EXPECT_EQ(held.add(made(modest, "x", 1, kNow + 9000, big), {}, kNow), Answer::stored);
}

TEST(HeldRecords, AFullHolderTakesNoMoreUntilSomeHaveExpired) {
  const std::size_t big = 1 << 20;
  HeldRecords held(4 * big);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(held.add(made(new_key(), std::to_string(i), 1, kNow + 1000 * (i + 1), big), {}, kNow),
              Answer::stored);
  EXPECT_EQ(held.add(made(new_key(), "x", 1, kNow + 9000, big), {}, kNow), Answer::full);
  held.expire(kNow + 1000);
  EXPECT_EQ(held.add(made(new_key(), "x", 1, kNow + 9000, big), {}, kNow), Answer::stored);
  EXPECT_EQ(held.bytes(), 4 * big);
}

TEST(RecordSet, KeepsTheHighestSequenceOfEachSigner) {
  RecordSet set;
  auto key = new_key(), other = new_key();
  EXPECT_TRUE(set.add(made(key, "a", 5, kNow + 10)));
  EXPECT_FALSE(set.add(made(key, "a", 5, kNow + 10)));
  EXPECT_FALSE(set.add(made(key, "a", 4, kNow + 10)));
  EXPECT_TRUE(set.add(made(key, "a", 6, kNow + 10)));
  EXPECT_TRUE(set.add(made(other, "a", 1, kNow + 10)));
  ASSERT_EQ(set.all().size(), 2u);
  EXPECT_EQ(set.all()[0].sequence, 6);
  EXPECT_TRUE(set.has_live(kNow));
  EXPECT_FALSE(set.has_live(kNow + 10));
  for (std::size_t i = 2; i < limits::kMaxSignersPerKey; ++i)
    EXPECT_TRUE(set.add(made(new_key(), "a", 1, kNow)));
  EXPECT_FALSE(set.add(made(new_key(), "a", 1, kNow)));
  EXPECT_TRUE(set.add(made(key, "a", 7, kNow + 10)));
}

TEST(CheckMemory, EachRecordIsCheckedOnceAndExpiryIsStillSeen) {
  TestDomain domain;
  base::Metrics metrics;
  auto bundle = domain.issue({identity::Role::registrar}, {}, kNow);
  Signer signer{bundle.key, bundle.credential};
  RecordChecker checker("p2psip.org", bundle.authority, metrics);
  CheckMemory checks(checker);
  Record record = signer.sign(Kind::user, "sip:a@p2psip.org", kNow, kNow + 60'000,
                              encode(body_at(bundle.peer_id(), "t", kNow)));
  const Record* first = checks.check(record.encoded, kNow);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->uri, record.uri);
  EXPECT_EQ(checks.check(record.encoded, kNow + 1), first);
  EXPECT_FALSE(checks.check(record.encoded, kNow + 60'000 + 301'000));
  base::Bytes forged = record.encoded;
  forged.back() ^= 1;
  EXPECT_FALSE(checks.check(forged, kNow));
  EXPECT_FALSE(checks.check(forged, kNow));
  for (std::size_t i = 0; i < limits::kMaxRememberedChecks + 10; ++i)
    EXPECT_FALSE(checks.check(base::as_bytes(std::to_string(i)), kNow));
  EXPECT_TRUE(checks.check(record.encoded, kNow + 2));
}

TEST(NodeFile, WritesAndReadsAndNamesTheLineThatIsWrong) {
  std::vector<SavedNode> nodes = {{*net::Address::parse("192.0.2.1:7400"), new_key().peer_id()},
                                  {*net::Address::parse("[2001:db8::1]:7400"), new_key().peer_id()}};
  auto read = parse_nodes(nodes_text(nodes), "nodes");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, nodes);
  EXPECT_TRUE(read_nodes("/nonexistent/nodes")->empty());
  for (std::string bad : {std::string("192.0.2.1:7400"), std::string("192.0.2.1:7400 short"),
                          "name:1 " + nodes[0].peer.text()}) {
    auto refused = parse_nodes("# comment\n" + bad + "\n", "nodes");
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().message.find("nodes:2: expected"), std::string::npos)
        << refused.error().message;
  }
  std::string many;
  for (int i = 0; i < 1000; ++i) many += nodes_text({nodes[0]});
  EXPECT_EQ(parse_nodes(many, "nodes")->size(), limits::kMaxSavedNodes);
}

class InOrderTest : public testing::Test {
 protected:
  base::SimLoop loop;
  std::string taken;
  base::Metrics metrics;
  InOrder order{
      loop, metrics,
      [this](const net::Address&, std::span<const std::uint8_t> bytes) { taken += base::as_text(bytes); },
      [this] { taken += '.'; }};
  net::Address peer = *net::Address::parse("10.0.0.1:7400"), other = *net::Address::parse("10.0.0.2:7400");
  void take(std::uint32_t burst, std::uint8_t place, std::string_view text, bool from_other = false) {
    order.take(from_other ? other : peer, {burst, place}, base::as_bytes(text));
  }
};

TEST_F(InOrderTest, EarlyOnesWaitForThoseBeforeThem) {
  take(1, 0, "a");
  take(1, 2, "c");
  take(1, 3, "d");
  take(2, 0, "x");
  take(1, 1, "B", true);
  EXPECT_EQ(taken, "ax");
  take(1, 1, "b");
  EXPECT_EQ(taken, "axbcd");
  take(1, 1, "b");  // again, by the network: the library's business
  EXPECT_EQ(taken, "axbcdb");
  loop.run_for(1s);
  EXPECT_EQ(taken, "axbcdbB.");
}

TEST_F(InOrderTest, ALostOneIsNotWaitedForLongerThanTheLimit) {
  take(1, 2, "c");
  take(1, 1, "b");
  loop.run_for(limits::kMaxHold - 1ms);
  EXPECT_EQ(taken, "");
  loop.run_for(1ms);
  EXPECT_EQ(taken, "bc.");
  take(1, 0, "a");
  EXPECT_EQ(taken, "bc.a");
}

TEST_F(InOrderTest, WhoSendsOnlyEarlyOnesCannotFillMemory) {
  std::string big(1000, 'x');
  for (std::uint32_t burst = 0; burst < 3000; ++burst) take(burst, 9, big);
  EXPECT_GE(taken.size(), 3000 * big.size() - limits::kMaxHeldBytes);
  EXPECT_EQ(metrics.value("overlay_datagrams_not_held_total"), 3000 - limits::kMaxHeldBytes / big.size());
  loop.run_for(1s);
  EXPECT_GE(taken.size(), 3000 * big.size());
}

TEST_F(InOrderTest, OneTurnIsOneBurstToEachAddress) {
  auto a = order.mark(peer), b = order.mark(peer), c = order.mark(other);
  EXPECT_EQ(a.place, 0);
  EXPECT_EQ(b.place, 1);
  EXPECT_EQ(b.burst, a.burst);
  EXPECT_EQ(c.place, 0);
  EXPECT_NE(c.burst, a.burst);
  loop.run_for(1ms);
  EXPECT_EQ(order.mark(peer).place, 0);
  EXPECT_NE(order.mark(peer).burst, a.burst);
}

TEST(Silence, SoManyAreWatchedAndNoMore) {
  Silence silence;
  const base::Instant t{100s};
  for (std::uint32_t i = 0; i < 3 * limits::kMaxWatchedAddresses; ++i) {
    silence.heard({net::Ip::v4(0x0a000000 + i), 7400}, t);
    silence.unreachable({net::Ip::v4(0x0b000000 + i), 7400}, t);
    ASSERT_LE(silence.watched(), 2 * limits::kMaxWatchedAddresses);
  }
  EXPECT_GT(silence.watched(), 0u);
}

TEST(Silence, ARepeatedRequestToWhoStoppedAnsweringTells) {
  Silence silence;
  net::Address peer = *net::Address::parse("10.0.0.1:7400"), never = *net::Address::parse("10.0.0.2:7400");
  base::Instant t{100s};
  base::Bytes ask = {1}, ask_more = {2};
  silence.heard(peer, t);
  EXPECT_FALSE(silence.sent(peer, ask, t + 1s));
  EXPECT_FALSE(silence.sent(peer, ask_more, t + 1s));
  EXPECT_TRUE(silence.sent(peer, ask, t + 2s));
  silence.heard(peer, t + 2s);
  EXPECT_FALSE(silence.sent(peer, ask, t + 3s));
  EXPECT_FALSE(silence.sent(peer, ask, t + 10s)) << "a later request with the same bytes";
  EXPECT_FALSE(silence.sent(never, ask, t));
  EXPECT_FALSE(silence.sent(never, ask, t + 1s)) << "nobody has been there yet";
  silence.unreachable(never, t + 2s);
  EXPECT_TRUE(silence.sent(never, ask_more, t + 3s));
  silence.heard(never, t + 3s);
  EXPECT_FALSE(silence.sent(never, {}, t + 4s));
}

}  // namespace
}  // namespace causeway::overlay
