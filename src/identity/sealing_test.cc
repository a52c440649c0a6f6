#include "identity/sealing.h"
#include "base/limits.h"

#include <set>

#include <gtest/gtest.h>

#include "identity/credential.h"

namespace causeway::identity {
namespace {

constexpr base::UnixMs kDay = 86400000;
constexpr base::UnixMs kNow = 20800 * kDay + 5000;

NetworkKey some_key(std::uint8_t fill = 7) {
  NetworkKey key;
  key.fill(fill);
  return key;
}

TEST(DeriveKey, AKeyForEachUse) {
  EXPECT_EQ(derive_key(some_key(), "x"), derive_key(some_key(), "x"));
  EXPECT_NE(derive_key(some_key(), "x"), derive_key(some_key(), "y"));
  EXPECT_NE(derive_key(some_key(), "x"), derive_key(some_key(8), "x"));
  // Computed apart from this code with HMAC (RFC 5869 2.2, 2.3): all members must come to the same.
  EXPECT_EQ(base::hex(derive_key(some_key(), "flow tokens")),
            "848e473acb36b9013fba33f201ae79fa441f868ee6a64da6a7f815ef6e07b2fa");
}

struct Datagrams : testing::Test {
  base::Random random{1};
  DatagramSealer sealer{some_key(), random};
  base::Bytes sealed, opened;
  base::Bytes plain{1, 2, 3, 4, 5};
  using Opened = DatagramSealer::Opened;
};

TEST_F(Datagrams, RoundTripOfAllSizes) {
  for (std::size_t n : {0, 1, 15, 16, 17, 600, 1400, 65000}) {
    base::Bytes text(n, 0x5a);
    sealer.seal(text, kNow, sealed);
    EXPECT_EQ(sealed.size(), n + DatagramSealer::kOverhead);
    ASSERT_EQ(sealer.open(sealed, kNow, opened), Opened::ok) << n;
    EXPECT_EQ(opened, text);
  }
}

TEST_F(Datagrams, EveryChangedByteIsSeen) {
  sealer.seal(plain, kNow, sealed);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    base::Bytes bad = sealed;
    bad[i] ^= 1;
    opened = {9};
    ASSERT_NE(sealer.open(bad, kNow, opened), Opened::ok) << i;
    EXPECT_TRUE(opened.empty());
  }
  EXPECT_EQ(sealer.open(sealed, kNow, opened), Opened::ok);
  EXPECT_EQ(opened, plain);
}

TEST_F(Datagrams, CutShort) {
  sealer.seal(plain, kNow, sealed);
  for (std::size_t n = 0; n < sealed.size(); ++n)
    ASSERT_EQ(sealer.open(std::span(sealed).first(n), kNow, opened),
              n < DatagramSealer::kOverhead ? Opened::too_short : Opened::forged);
}

TEST_F(Datagrams, AnotherNetwork) {
  DatagramSealer other(some_key(8), random);
  other.seal(plain, kNow, sealed);
  EXPECT_EQ(sealer.open(sealed, kNow, opened), Opened::forged);
}

TEST_F(Datagrams, DaysOneOffAreTaken) {
  sealer.seal(plain, kNow, sealed);
  EXPECT_EQ(sealer.open(sealed, kNow - kDay, opened), Opened::ok);
  EXPECT_EQ(sealer.open(sealed, kNow + kDay, opened), Opened::ok);
  EXPECT_EQ(sealer.open(sealed, kNow - 2 * kDay, opened), Opened::wrong_day);
  EXPECT_EQ(sealer.open(sealed, kNow + 2 * kDay, opened), Opened::wrong_day);
  // The key of a day is its own: a datagram that claims to be of another day is forged.
  sealed[3] += 1;
  EXPECT_EQ(sealer.open(sealed, kNow, opened), Opened::forged);
}

TEST_F(Datagrams, AWeekGoesBy) {
  for (int day = 0; day < 8; ++day) {
    base::UnixMs now = kNow + day * kDay;
    sealer.seal(plain, now, sealed);
    ASSERT_EQ(sealer.open(sealed, now, opened), Opened::ok);
    ASSERT_EQ(DatagramSealer(some_key(), random).open(sealed, now + kDay, opened), Opened::ok);
  }
}

TEST_F(Datagrams, NoNonceTwice) {
  std::set<base::Bytes> seen;
  for (int i = 0; i < 1000; ++i) {
    sealer.seal(plain, kNow, sealed);
    EXPECT_TRUE(seen.insert(sealed).second);
  }
}

// ---- tokens

FlowToken token_of(std::string user, std::string_view address) {
  return {std::move(user), 0x0123456789abcdef, net::Transport::tcp, net::Address::parse(address).value()};
}

struct Tokens : testing::Test {
  TokenSealer sealer{some_key()};
};

TEST_F(Tokens, RoundTrip) {
  for (std::string_view address : {"192.0.2.1:5060", "[2001:db8::1]:65535", "0.0.0.0:1"}) {
    for (net::Transport transport : {net::Transport::udp, net::Transport::tcp, net::Transport::tls}) {
      for (std::string user : {"", "alice", "a%40b", "+1555;ext=3"}) {
        FlowToken in = token_of(user, address);
        in.transport = transport;
        std::string text = sealer.seal(in);
        auto out = sealer.open(text);
        ASSERT_TRUE(out) << address << user;
        EXPECT_EQ(out->user, user);
        EXPECT_EQ(out->instance, in.instance);
        EXPECT_EQ(out->transport, transport);
        EXPECT_EQ(out->source, in.source);
      }
    }
  }
}

TEST_F(Tokens, SmallSameAndFitForAUri) {
  std::string v4 = sealer.seal(token_of("alice", "192.0.2.1:5060"));
  EXPECT_EQ(v4.size(), 48u);
  EXPECT_EQ(sealer.seal(token_of("alice", "[2001:db8::1]:5060")).size(), 64u);
  EXPECT_EQ(sealer.seal(token_of("alice", "192.0.2.1:5060")), v4);
  EXPECT_EQ(TokenSealer(some_key()).seal(token_of("alice", "192.0.2.1:5060")), v4);
  EXPECT_NE(sealer.seal(token_of("alicf", "192.0.2.1:5060")), v4);
  EXPECT_TRUE(is_user_part("x" + v4));
  EXPECT_EQ(v4.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            v4.npos);
}

TEST_F(Tokens, EveryChangedCharacterIsSeen) {
  std::string good = sealer.seal(token_of("alice", "192.0.2.1:5060"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (char c : {'A', 'b', '9', '_', '=', '@', '\0'}) {
      std::string bad = good;
      if (bad[i] == c) continue;
      bad[i] = c;
      ASSERT_FALSE(sealer.open(bad)) << i << c;
    }
  }
  EXPECT_TRUE(sealer.open(good)) << "a forgery must leave nothing behind in the context";
}

TEST_F(Tokens, Garbage) {
  std::string good = sealer.seal(token_of("bob", "192.0.2.1:5060"));
  for (std::size_t n = 0; n < good.size(); ++n) ASSERT_FALSE(sealer.open(good.substr(0, n)));
  EXPECT_FALSE(sealer.open(good + "A"));
  EXPECT_FALSE(sealer.open(good + "=="));
  EXPECT_FALSE(sealer.open(good + good));
  EXPECT_FALSE(sealer.open(std::string(100000, 'A')));
  base::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    base::Bytes noise(random.below(200));
    random.fill(noise);
    ASSERT_FALSE(sealer.open(base::base64url(noise)));
  }
}

TEST_F(Tokens, OutsidersAndOtherUsesOfTheKey) {
  std::string good = sealer.seal(token_of("alice", "192.0.2.1:5060"));
  EXPECT_FALSE(TokenSealer(some_key(8)).open(good));
  EXPECT_EQ(base::as_text(*base::from_base64url(good)).find("alice"), std::string_view::npos);
}

TEST_F(Tokens, UsersThatAreNone) {
  for (const std::string& user : std::initializer_list<std::string>{
           "_x", "a b", "a@b", "a%61", std::string(limits::kMaxUserPart + 1, 'a')})
    EXPECT_EQ(sealer.seal(token_of(user, "192.0.2.1:5060")), "") << user;
  std::string longest(limits::kMaxUserPart, 'a');
  auto out = sealer.open(sealer.seal(token_of(longest, "[2001:db8::1]:5060")));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->user, longest);
}

TEST(InstanceHash, IsTheFirstEightBytes) { EXPECT_EQ(instance_hash("abc"), 0xba7816bf8f01cfeau); }

}  // namespace
}  // namespace causeway::identity
