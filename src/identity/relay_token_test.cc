#include "identity/relay_token.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace causeway::identity {
namespace {

constexpr std::string_view kDomain = "p2psip.org";
constexpr base::UnixMs kNow = 1'800'000'000'000;
constexpr base::UnixMs kHour = 3'600'000;
using Refusal = RelayTokens::Refusal;

struct RelayTokenTest : testing::Test {
  base::Random random{1};
  PrivateKey authority = PrivateKey::generate(random), maker = PrivateKey::generate(random),
             relay_key = PrivateKey::generate(random), other_key = PrivateKey::generate(random);
  RelayTokens relay{std::string(kDomain), authority.public_key(), relay_key};
  RelayTokens other{std::string(kDomain), authority.public_key(), other_key};

  Credential credential(std::vector<std::string> covers, std::string_view domain = kDomain) {
    Credential c;
    c.domain = domain;
    c.key = maker.public_key();
    c.covers = std::move(covers);
    c.not_before = kNow / 1000 - 1000;
    c.not_after = kNow / 1000 + 86400;
    c.sign(authority);
    return c;
  }
  RelayToken make(std::string_view user, const Credential& c, base::UnixMs expiry = kNow + kHour) {
    const TokenKey keys[] = {relay.public_key()};
    auto tokens = make_relay_tokens(user, expiry, maker, c, keys, random);
    EXPECT_TRUE(tokens) << tokens.error().message;
    return tokens ? tokens->front() : RelayToken{};
  }
};

TEST_F(RelayTokenTest, ARegistrarsForAnyUserAUsersForItself) {
  for (const auto& covers :
       {std::vector<std::string>{"sip:*@", "sip:", "turn:", "teredo:"}, {"sip:alice@"}}) {
    const RelayToken token = make("alice", credential(covers));
    EXPECT_LT(token.username.size(), 509u);
    const auto granted = relay.check(token.username, kNow);
    ASSERT_TRUE(granted);
    EXPECT_EQ(granted->user, "alice");
    EXPECT_EQ(granted->password, token.password);
    EXPECT_EQ(granted->until, kNow + kHour);
    EXPECT_TRUE(relay.check(token.username, kNow + 1));  // now its credential is known
  }
}

TEST_F(RelayTokenTest, CredentialsAreRememberedAndSoManyOfThem) {
  const RelayToken first = make("alice", credential({"sip:*@"}));
  ASSERT_TRUE(relay.check(first.username, kNow));
  for (std::size_t i = 0; i <= limits::kMaxKnownTokenCredentials; ++i) {
    Credential c = credential({"sip:*@"});
    c.serial = i + 1;
    c.sign(authority);
    ASSERT_TRUE(relay.check(make("alice", c).username, kNow));
    ASSERT_LE(relay.known(), limits::kMaxKnownTokenCredentials);
  }
  EXPECT_EQ(relay.known(), 2u);
  EXPECT_TRUE(relay.check(first.username, kNow));
}

TEST_F(RelayTokenTest, OneUserNameForManyRelaysAPasswordForEach) {
  const TokenKey keys[] = {relay.public_key(), other.public_key()};
  const auto tokens = make_relay_tokens("alice", kNow + kHour, maker, credential({"sip:*@"}), keys, random);
  ASSERT_TRUE(tokens);
  EXPECT_EQ((*tokens)[0].username, (*tokens)[1].username);
  EXPECT_NE((*tokens)[0].password, (*tokens)[1].password);
  EXPECT_EQ(relay.check((*tokens)[0].username, kNow)->password, (*tokens)[0].password);
  EXPECT_EQ(other.check((*tokens)[0].username, kNow)->password, (*tokens)[1].password);
}

TEST_F(RelayTokenTest, TheTokenKeyOutlivesARestart) {
  EXPECT_EQ(RelayTokens(std::string(kDomain), authority.public_key(), relay_key).public_key(),
            relay.public_key());
  EXPECT_NE(relay.public_key(), other.public_key());
}

TEST_F(RelayTokenTest, ExpiredAtTheSecond) {
  const RelayToken token = make("alice", credential({"sip:*@"}));
  EXPECT_TRUE(relay.check(token.username, kNow + kHour - 1));
  EXPECT_EQ(relay.check(token.username, kNow + kHour).error(), Refusal::expired);
}

TEST_F(RelayTokenTest, AnyChangedCharacterIsSeen) {
  const RelayToken token = make("alice", credential({"sip:alice@"}));
  for (std::size_t i = 0; i < token.username.size(); ++i) {
    std::string bad = token.username;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(relay.check(bad, kNow)) << i;
    EXPECT_FALSE(relay.check(token.username.substr(0, i), kNow)) << i;
  }
  EXPECT_EQ(relay.check(token.username + "AAAA", kNow).error(), Refusal::malformed);
}

TEST_F(RelayTokenTest, NobodySpeaksForAnother) {
  const TokenKey keys[] = {relay.public_key()};
  const auto make_for = [&](std::string_view user, const Credential& c) {
    return make_relay_tokens(user, kNow + kHour, maker, c, keys, random);
  };
  EXPECT_FALSE(make_for("bob", credential({"sip:alice@"})));
  EXPECT_FALSE(make_for("alice", credential({"turn:"})));
  EXPECT_FALSE(make_for("_x", credential({"sip:*@"})));
  // Signed by another key than the credential's.
  const auto stolen =
      make_relay_tokens("alice", kNow + kHour, other_key, credential({"sip:*@"}), keys, random);
  ASSERT_TRUE(stolen);
  EXPECT_EQ(relay.check(stolen->front().username, kNow).error(), Refusal::forged);
  // Another domain's credential, another authority's, one out of date.
  EXPECT_EQ(relay.check(make("alice", credential({"sip:*@"}, "other.org")).username, kNow).error(),
            Refusal::forged);
  Credential foreign = credential({"sip:*@"});
  foreign.sign(other_key);
  EXPECT_EQ(relay.check(make("alice", foreign).username, kNow).error(), Refusal::forged);
  Credential old = credential({"sip:*@"});
  const RelayToken late = make("alice", old, kNow + 48 * kHour);
  EXPECT_TRUE(relay.check(late.username, kNow));
  EXPECT_EQ(relay.check(late.username, kNow + 25 * kHour).error(), Refusal::forged);
}

TEST_F(RelayTokenTest, ACredentialTooLongForAUserName) {
  std::vector<std::string> covers;
  for (int i = 0; i < 20; ++i) covers.push_back(fmt::format("sip:somebody{}@", i));
  const TokenKey keys[] = {relay.public_key()};
  const auto tokens = make_relay_tokens("somebody1", kNow + kHour, maker, credential(covers), keys, random);
  ASSERT_FALSE(tokens);
  EXPECT_NE(tokens.error().message.find("508"), std::string::npos);
}

TEST_F(RelayTokenTest, KeysOfSmallOrderAgreeOnNothing) {
  const TokenKey zero[] = {TokenKey{}};
  EXPECT_FALSE(make_relay_tokens("alice", kNow + kHour, maker, credential({"sip:*@"}), zero, random));
}

}  // namespace
}  // namespace causeway::identity
