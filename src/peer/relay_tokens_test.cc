#include "peer/relay_tokens.h"

#include <gtest/gtest.h>

#include "identity/authority.h"

namespace causeway::peer {
namespace {

using identity::Role;

constexpr base::UnixMs kNow = 1'800'000'000'000;
constexpr std::int64_t kDay = 86400;

class Tokens : public ::testing::Test {
 protected:
  identity::Authority authority = *identity::Authority::create("p2psip.org");
  base::Random random{1};

  identity::Bundle bundle(std::vector<Role> roles, std::vector<std::string> users = {}) {
    return *authority.issue({.roles = std::move(roles),
                             .users = std::move(users),
                             .bootstrap = {},
                             .now = kNow,
                             .valid_days = 10});
  }
  const identity::Bundle registrar = bundle({Role::registrar});
  identity::RelayTokens checker{"p2psip.org", authority.key(), identity::PrivateKey::generate()};

  std::vector<overlay::Near> relays() const {
    overlay::ServiceBody body{.endpoints = {*net::Endpoint::parse("udp:192.0.2.1:3478")}};
    overlay::ServiceBody without_key = body;
    body.token_key = checker.public_key();
    return {{without_key, base::Duration(1)}, {body, base::Duration(2)}};
  }
  std::string refused(std::string user, const identity::Bundle& by, std::int64_t lifetime = 60) {
    const auto given = make_tokens({std::move(user), lifetime}, relays(), by, kNow, random);
    return given ? "" : given.error().message;
  }
};

TEST_F(Tokens, OneForEachRelayThatHasAKey) {
  const auto given = make_tokens({"sip:Alice@P2PSIP.org", kDay}, relays(), registrar, kNow, random);
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->uri, "sip:Alice@p2psip.org");
  EXPECT_EQ(given->realm, "p2psip.org");
  EXPECT_EQ(given->expiry, kNow + kDay * 1000);
  ASSERT_EQ(given->relays.size(), 1u);
  const auto granted = checker.check(given->username, kNow);
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->user, "Alice");
  EXPECT_EQ(granted->password, given->relays[0].password);
  EXPECT_EQ(granted->until, given->expiry);
}

TEST_F(Tokens, AUsersOwnCredentialWillDoAndANameWithoutDomain) {
  EXPECT_EQ(refused("alice", bundle({}, {"alice"})), "");
  EXPECT_EQ(refused("alice", registrar), "");
}

TEST_F(Tokens, EndsWithTheCredential) {
  const auto given = make_tokens({"alice", 1000 * kDay}, relays(), registrar, kNow, random);
  ASSERT_TRUE(given);
  EXPECT_EQ(given->expiry, static_cast<base::UnixMs>(registrar.credential.not_after) * 1000);
}

TEST_F(Tokens, RefusalsSayWhatWasExpected) {
  EXPECT_NE(refused("sip:alice@other.org", registrar).find("p2psip.org only"), std::string::npos);
  for (const char* nobody : {"sip:p2psip.org", "turn:p2psip.org", "sip:_abc@p2psip.org", "", "sip:"})
    EXPECT_NE(refused(nobody, registrar), "") << nobody;
  EXPECT_NE(refused("sip:p2psip.org", registrar).find("a user such as sip:alice@p2psip.org"),
            std::string::npos);
  EXPECT_NE(refused("alice", bundle({Role::relay})).find("does not cover it"), std::string::npos);
  EXPECT_NE(refused("bob", bundle({}, {"alice"})).find("does not cover it"), std::string::npos);
  EXPECT_NE(refused("alice", registrar, 0).find("lifetime"), std::string::npos);
  const auto nobody = make_tokens({"alice", 60}, {}, registrar, kNow, random);
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().message.find("causeway lookup turn:p2psip.org"), std::string::npos);
}

TEST(TurnUri, AsInRfc7065) {
  auto uri = [](std::string_view endpoint) { return turn_uri(*net::Endpoint::parse(endpoint)); };
  EXPECT_EQ(uri("udp:192.0.2.1:3478"), "turn:192.0.2.1:3478?transport=udp");
  EXPECT_EQ(uri("tcp:192.0.2.1:80"), "turn:192.0.2.1:80?transport=tcp");
  EXPECT_EQ(uri("tls:[2001:db8::1]:5349"), "turns:[2001:db8::1]:5349?transport=tcp");
}

}  // namespace
}  // namespace causeway::peer
