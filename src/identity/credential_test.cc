#include "identity/credential.h"
#include "base/limits.h"

#include <gtest/gtest.h>

#include "base/msgpack.h"

namespace causeway::identity {
namespace {

constexpr std::string_view kDomain = "p2psip.org";
constexpr std::int64_t kNow = 1'800'000'000;  // seconds
constexpr base::UnixMs ms(std::int64_t seconds) { return seconds * 1000; }

struct CredentialTest : testing::Test {
  base::Random random{1};
  PrivateKey authority = PrivateKey::generate(random);
  PrivateKey member = PrivateKey::generate(random);

  Credential make(std::vector<std::string> covers) {
    Credential c;
    c.domain = kDomain;
    c.key = member.public_key();
    c.covers = std::move(covers);
    c.not_before = kNow - 1000;
    c.not_after = kNow + 1000;
    c.serial = 17;
    c.sign(authority);
    return c;
  }
  std::string error(const Credential& c, std::int64_t at = kNow) {
    auto status = check_credential(c, kDomain, authority.public_key(), ms(at));
    return status ? "" : status.error().message;
  }
  std::string own() { return "sip:_" + member.public_key().peer_id().text() + "@p2psip.org"; }
};

TEST_F(CredentialTest, RoundTrip) {
  Credential c = make({"sip:*@", "sip:", "turn:", "teredo:", "sip:alice@"});
  base::Bytes bytes = c.encode();
  EXPECT_LT(bytes.size(), 220u);
  auto again = Credential::decode(bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->domain, c.domain);
  EXPECT_EQ(again->key, c.key);
  EXPECT_EQ(again->covers, c.covers);
  EXPECT_EQ(again->not_before, c.not_before);
  EXPECT_EQ(again->not_after, c.not_after);
  EXPECT_EQ(again->serial, 17u);
  EXPECT_EQ(again->encode(), bytes);
  EXPECT_EQ(error(*again), "");
}

TEST_F(CredentialTest, EveryChangedByteIsSeen) {
  base::Bytes good = make({"sip:alice@"}).encode();
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (std::uint8_t change : {0x01, 0x20, 0x80, 0xff}) {
      base::Bytes bad = good;
      bad[i] ^= change;
      auto c = Credential::decode(bad);
      ASSERT_TRUE(!c || !error(*c).empty()) << "byte " << i;
    }
  }
}

TEST_F(CredentialTest, CutShortOrLonger) {
  base::Bytes good = make({"sip:alice@"}).encode();
  for (std::size_t n = 0; n < good.size(); ++n)
    ASSERT_FALSE(Credential::decode(std::span(good).first(n))) << n;
  good.push_back(0);
  EXPECT_FALSE(Credential::decode(good));
  EXPECT_FALSE(Credential::decode(base::Bytes(limits::kMaxCredential + 1, 0x90)));
}

TEST_F(CredentialTest, Dates) {
  Credential c = make({});
  EXPECT_EQ(error(c, kNow - 1000 - kClockSkewSeconds), "");
  EXPECT_EQ(error(c, kNow + 1000 + kClockSkewSeconds), "");
  EXPECT_NE(error(c, kNow - 1001 - kClockSkewSeconds).find("not valid before 2027-01-15 07:43:20 UTC"),
            std::string::npos)
      << error(c, kNow - 1001 - kClockSkewSeconds);
  EXPECT_NE(error(c, kNow + 1001 + kClockSkewSeconds).find("out of date since 2027-01-15 08:16:40 UTC"),
            std::string::npos);
}

TEST_F(CredentialTest, AnotherAuthorityOrDomain) {
  Credential c = make({"sip:alice@"});
  c.sign(PrivateKey::generate(random));
  EXPECT_NE(error(c).find("another authority"), std::string::npos);
  c = make({"sip:alice@"});
  c.covers = {"sip:*@"};  // what it would like to be
  EXPECT_NE(error(c).find("another authority"), std::string::npos);
  c = make({});
  c.domain = "p2psip.com";
  c.sign(authority);
  EXPECT_NE(error(c).find("expected a credential for p2psip.org, found one for p2psip.com"),
            std::string::npos);
}

TEST_F(CredentialTest, ASignatureOfSomethingElseDoesNotCount) {
  Credential c = make({"sip:alice@"});
  base::Bytes all = c.encode();
  std::span part = std::span(all).first(all.size() - 66);
  c.signature = authority.sign(part);  // the same bytes, without "causeway credential" in front
  EXPECT_FALSE(c.signed_by(authority.public_key()));
}

TEST_F(CredentialTest, CoversAUser) {
  Credential c = make({"sip:alice@"});
  EXPECT_TRUE(c.covers_uri("sip:alice@p2psip.org"));
  for (std::string_view uri : {"sip:bob@p2psip.org",
                               "sip:Alice@p2psip.org",
                               "sip:alic@p2psip.org",
                               "sip:alice2@p2psip.org",
                               "sip:alice@P2PSIP.org",
                               "sip:alice@p2psip.com",
                               "sip:alice@x.p2psip.org",
                               "sip:alice@p2psip.org.",
                               "sip:alice@p2psip.org:5060",
                               "sip:alice@p2psip.org;a=b",
                               "sip:p2psip.org",
                               "turn:p2psip.org",
                               "sips:alice@p2psip.org",
                               "SIP:alice@p2psip.org",
                               "sip:alice:pw@p2psip.org",
                               "sip:%61lice@p2psip.org",
                               "sip:alice@evil.org@p2psip.org",
                               "sip:alice@",
                               "sip:",
                               "",
                               "alice@p2psip.org",
                               "sip: alice@p2psip.org"})
    EXPECT_FALSE(c.covers_uri(uri)) << uri;
}

TEST_F(CredentialTest, CoversServices) {
  Credential proxy = make({"sip:"});
  EXPECT_TRUE(proxy.covers_uri("sip:p2psip.org"));
  for (std::string_view uri : {"sip:alice@p2psip.org", "sip:@p2psip.org", "turn:p2psip.org", "sip:p2psip.com",
                               "sip:x.p2psip.org", "sip:P2PSIP.org", "sip:p2psip.org?x"})
    EXPECT_FALSE(proxy.covers_uri(uri)) << uri;
  Credential relay = make({"turn:", "teredo:"});
  EXPECT_TRUE(relay.covers_uri("turn:p2psip.org"));
  EXPECT_TRUE(relay.covers_uri("teredo:p2psip.org"));
  EXPECT_FALSE(relay.covers_uri("sip:p2psip.org"));
  EXPECT_FALSE(relay.covers_uri("turn:alice@p2psip.org"));
}

TEST_F(CredentialTest, ARegistrarCoversUsersAndNothingElse) {
  Credential c = make({"sip:*@"});
  EXPECT_TRUE(c.covers_any_user());
  for (std::string_view uri :
       {"sip:alice@p2psip.org", "sip:Alice@p2psip.org", "sip:a%40b@p2psip.org",
        "sip:+15551234;ext=5@p2psip.org", "sip:a_b@p2psip.org", "sip:caf%C3%A9@p2psip.org"})
    EXPECT_TRUE(c.covers_uri(uri)) << uri;
  for (std::string_view uri :
       {"sip:p2psip.org", "turn:p2psip.org", "sip:@p2psip.org", "sip:_x@p2psip.org",
        "sip:_revoked@p2psip.org", "sip:%5Frevoked@p2psip.org", "sip:%5frevoked@p2psip.org",
        "sip:a@b@p2psip.org", "sip:a%4@p2psip.org", "sip:a%@p2psip.org", "sip:a%zz@p2psip.org",
        "sip:a%c3@p2psip.org", "sip:a b@p2psip.org", "sip:a\"@p2psip.org", "sip:a<@p2psip.org",
        "sips:alice@p2psip.org", "sip:alice@p2psip.com"})
    EXPECT_FALSE(c.covers_uri(uri)) << uri;
  EXPECT_FALSE(c.covers_uri(std::string("sip:al\0ice@p2psip.org", 21)));
  EXPECT_TRUE(c.covers_uri("sip:" + std::string(limits::kMaxUserPart, 'a') + "@p2psip.org"));
  EXPECT_FALSE(c.covers_uri("sip:" + std::string(limits::kMaxUserPart + 1, 'a') + "@p2psip.org"));
}

TEST_F(CredentialTest, EveryCredentialCoversItsOwnPeer) {
  Credential c = make({});
  std::string other = "sip:_" + authority.public_key().peer_id().text() + "@p2psip.org";
  EXPECT_TRUE(c.covers_uri(own()));
  EXPECT_FALSE(c.covers_uri(other));
  EXPECT_FALSE(make({"sip:*@"}).covers_uri(other));
  std::string upper = own();
  upper[6] = static_cast<char>(std::toupper(upper[6]));
  EXPECT_TRUE(upper == own() || !c.covers_uri(upper)) << "a PEERID in a URI is in lower case";
  std::string with_token = own();
  with_token.insert(with_token.find('@'), ".abc");
  EXPECT_FALSE(c.covers_uri(with_token)) << "a flow is no place for records";
}

TEST_F(CredentialTest, ShapesThatAreRefused) {
  for (std::string cover : {"sip:_x@", "sip:alice", "sip:alice@p2psip.org", "alice@", "", ":", "sip:a@b@",
                            "SIP:a@", "turn:alice@", "sip:@", "sip:a b@"})
    EXPECT_FALSE(Credential::decode(make({cover}).encode())) << cover;
  EXPECT_TRUE(Credential::decode(make({"dns:"}).encode())) << "what a later version covers";
  EXPECT_FALSE(Credential::decode(make(std::vector<std::string>(limits::kMaxCovers + 1, "sip:")).encode()));
  for (std::string domain : {"P2PSIP.org", "p2psip", "", "192.0.2.1", "a..b", "p2psip.org."}) {
    Credential c = make({});
    c.domain = domain;
    EXPECT_FALSE(Credential::decode(c.encode())) << domain;
  }
  Credential c = make({});
  c.not_before = c.not_after + 1;
  EXPECT_FALSE(Credential::decode(c.encode()));
  c = make({});
  c.not_after = kMaxSeconds + 1;
  EXPECT_FALSE(Credential::decode(c.encode()));
}

TEST_F(CredentialTest, AnotherVersionIsNamed) {
  base::Bytes bytes = make({}).encode();
  bytes[1] = 2;
  EXPECT_NE(Credential::decode(bytes).error().message.find("found version 2"), std::string::npos);
}

TEST(Role, Names) {
  for (Role role : {Role::registrar, Role::proxy, Role::relay})
    EXPECT_EQ(parse_role(role_name(role)).value(), role);
  EXPECT_NE(parse_role("Proxy").error().message.find("registrar, proxy or relay"), std::string::npos);
  EXPECT_FALSE(parse_role(""));
}

TEST(Domain, WhatIsAFullyQualifiedName) {
  EXPECT_EQ(parse_domain("p2psip.org").value(), "p2psip.org");
  EXPECT_EQ(parse_domain("P2Psip.ORG.").value(), "p2psip.org");
  EXPECT_EQ(parse_domain("xn--bcher-kva.example").value(), "xn--bcher-kva.example");
  EXPECT_EQ(parse_domain("3com.4.example").value(), "3com.4.example");
  std::string long_label(63, 'a');
  EXPECT_TRUE(parse_domain(long_label + ".org"));
  for (std::string_view bad : {"",
                               ".",
                               "..",
                               "org",
                               "localhost",
                               ".org",
                               "a..org",
                               "p2psip.org..",
                               "-a.org",
                               "a-.org",
                               "a_b.org",
                               "a b.org",
                               "192.0.2.1",
                               "1.2",
                               "a.1",
                               "[2001:db8::1]",
                               "2001:db8::1",
                               "a.org:5060",
                               "sip:a.org",
                               "b\xc3\xbc.org",
                               "a@b.org"})
    EXPECT_FALSE(parse_domain(bad)) << bad;
  EXPECT_FALSE(parse_domain("a" + long_label + ".org"));
  std::string longest;
  while (longest.size() + 2 <= limits::kMaxDomain - 4) longest += "a.";
  EXPECT_TRUE(parse_domain(longest + "org"));
  EXPECT_FALSE(parse_domain(longest + "a.b.org"));
  EXPECT_FALSE(parse_domain(std::string(100000, 'a')));
}

}  // namespace
}  // namespace causeway::identity
