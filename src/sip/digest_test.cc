#include "sip/digest.h"
#include "base/limits.h"

#include <gtest/gtest.h>

namespace causeway::sip {
namespace {

using Verdict = DigestVerifier::Verdict;
constexpr auto kMd5 = DigestAlgorithm::md5;
constexpr auto kSha256 = DigestAlgorithm::sha256;

std::array<std::uint8_t, 32> key(std::uint8_t fill) {
  std::array<std::uint8_t, 32> k;
  k.fill(fill);
  return k;
}

// RFC 7616 3.9.1
const std::string k7616 =
    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={A},\r\n"
    " nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001,\r\n"
    " cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth,\r\n"
    " response=\"{R}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
std::string fill(std::string text, std::string_view a, std::string_view r) {
  text.replace(text.find("{A}"), 3, a);
  return text.replace(text.find("{R}"), 3, r);
}

TEST(Digest, Vectors7616) {
  const DigestVerifier verifier("http-auth@example.org", key(1));
  const auto ha1_md5 = make_ha1(kMd5, "Mufasa", "http-auth@example.org", "Circle of Life");
  const auto ha1_sha256 = make_ha1(kSha256, "Mufasa", "http-auth@example.org", "Circle of Life");
  const DigestSecrets secrets{ha1_md5, ha1_sha256};
  const std::string md5 = fill(k7616, "MD5", "8ca523f5e9506fed4657c9700eebdbec");
  const std::string sha =
      fill(k7616, "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
  for (const std::string& text : {md5, sha}) {
    auto response = parse_digest_response(text);
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->username, "Mufasa");
    EXPECT_EQ(response->opaque, "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS");
    // The digest is right, the nonce not ours.
    EXPECT_EQ(verifier.check(*response, secrets, "GET", 0), Verdict::stale);
    EXPECT_EQ(verifier.check(*response, secrets, "PUT", 0), Verdict::wrong);
  }
  for (DigestAlgorithm algorithm : {kMd5, kSha256}) {
    const DigestChallenge challenge{
        "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "", algorithm, true, false};
    auto answer = answer_challenge(challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html",
                                   "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1);
    ASSERT_TRUE(parse_digest_response(answer));
    EXPECT_EQ(parse_digest_response(answer)->response,
              algorithm == kMd5 ? "8ca523f5e9506fed4657c9700eebdbec"
                                : "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
  }
}

// RFC 2617 3.5, and the same without qop (RFC 2069), whose value is H(HA1:nonce:HA2).
TEST(Digest, Vectors2617) {
  DigestChallenge challenge{"testrealm@host.com",
                            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                            "5ccc069c403ebaf9f0171e9517f40e41",
                            kMd5,
                            true,
                            false};
  auto answer =
      answer_challenge(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", 1);
  EXPECT_EQ(parse_digest_response(answer)->response, "6629fae49393a05397450978507c4ef1");
  EXPECT_EQ(parse_digest_response(answer)->opaque, "5ccc069c403ebaf9f0171e9517f40e41");
  challenge.qop_auth = false;
  answer = answer_challenge(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "unused", 1);
  auto response = parse_digest_response(answer);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->response, "670fd8c2df070c60b045671b8b24ff02");
  EXPECT_EQ(response->qop, "");
  EXPECT_EQ(make_ha1(kMd5, "Mufasa", "testrealm@host.com", "Circle Of Life"),
            "939e7578ed9e3c518a452acee763bce9");
}

class Exchange : public ::testing::Test {
 protected:
  static constexpr base::UnixMs kNow = 1'795'000'000'000;
  std::string answer(DigestAlgorithm algorithm, std::string_view password = "secret", bool qop = true,
                     base::UnixMs at = kNow) {
    for (const std::string& text : verifier.challenges(at, false)) {
      auto challenge = parse_digest_challenge(text);
      EXPECT_TRUE(challenge) << text;
      if (challenge->algorithm != algorithm) continue;
      challenge->qop_auth = qop;
      return answer_challenge(*challenge, "alice", password, "REGISTER", "sip:p2psip.org", "abc", 1);
    }
    return {};
  }
  Verdict check(const std::string& text, base::UnixMs now = kNow) {
    auto response = parse_digest_response(text);
    EXPECT_TRUE(response) << text;
    return response ? verifier.check(*response, secrets, "REGISTER", now) : Verdict::malformed;
  }
  DigestVerifier verifier{"p2psip.org", key(7)};
  const std::string ha1_md5 = make_ha1(kMd5, "alice", "p2psip.org", "secret");
  const std::string ha1_sha256 = make_ha1(kSha256, "alice", "p2psip.org", "secret");
  DigestSecrets secrets{ha1_md5, ha1_sha256};
};

TEST_F(Exchange, Challenges) {
  auto all = verifier.challenges(kNow, true);
  ASSERT_EQ(all.size(), 2u);
  auto first = parse_digest_challenge(all[0]);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->algorithm, kSha256);  // RFC 8760 2.3: the preferred one on top
  EXPECT_TRUE(first->stale);
  EXPECT_TRUE(first->qop_auth);
  EXPECT_EQ(first->realm, "p2psip.org");
  EXPECT_EQ(parse_digest_challenge(all[1])->algorithm, kMd5);
  EXPECT_FALSE(parse_digest_challenge(verifier.challenges(kNow, false)[0])->stale);
}

TEST_F(Exchange, RightAndWrong) {
  EXPECT_EQ(check(answer(kSha256)), Verdict::ok);
  EXPECT_EQ(check(answer(kMd5)), Verdict::ok);
  EXPECT_EQ(check(answer(kMd5, "secret", false)), Verdict::ok);
  EXPECT_EQ(check(answer(kSha256, "Secret")), Verdict::wrong);
  EXPECT_EQ(check(answer(kMd5, "")), Verdict::wrong);
}

TEST_F(Exchange, Age) {
  const auto life = limits::kNonceLife.count();
  EXPECT_EQ(check(answer(kSha256), kNow + life), Verdict::ok);
  EXPECT_EQ(check(answer(kSha256), kNow + life + 1), Verdict::stale);
  EXPECT_EQ(check(answer(kSha256), kNow - life), Verdict::ok);  // another registrar's clock
  EXPECT_EQ(check(answer(kSha256), kNow - life - 1), Verdict::stale);
  EXPECT_EQ(check(answer(kSha256, "no"), kNow + life + 1),
            Verdict::wrong);  // stale only who knows the password
  EXPECT_EQ(check(answer(kSha256, "secret", true, -1)), Verdict::stale);
}

TEST_F(Exchange, AnyRegistrarOfTheDomainButNoOther) {
  const std::string text = answer(kSha256);
  auto response = parse_digest_response(text);
  EXPECT_EQ(DigestVerifier("p2psip.org", key(7)).check(*response, secrets, "REGISTER", kNow), Verdict::ok);
  EXPECT_EQ(DigestVerifier("p2psip.org", key(8)).check(*response, secrets, "REGISTER", kNow), Verdict::stale);
  EXPECT_EQ(DigestVerifier("p2psip.net", key(7)).check(*response, secrets, "REGISTER", kNow), Verdict::wrong);
}

TEST_F(Exchange, NonceCannotBeMade) {
  std::string text = answer(kSha256);
  auto challenge = *parse_digest_challenge(verifier.challenges(kNow, false)[0]);
  challenge.nonce[3] ^= 1;  // another time, the same MAC
  EXPECT_EQ(check(answer_challenge(challenge, "alice", "secret", "REGISTER", "sip:p2psip.org", "x", 1)),
            Verdict::stale);
  for (std::string nonce :
       {std::string("x"), std::string(48, '0'), std::string(48, 'g'), std::string(500, '0')}) {
    challenge.nonce = nonce;
    EXPECT_EQ(check(answer_challenge(challenge, "alice", "secret", "REGISTER", "sip:p2psip.org", "x", 1)),
              Verdict::stale);
  }
}

TEST_F(Exchange, AlgorithmsAreNotMixed) {
  const std::string md5 = answer(kMd5), sha = answer(kSha256);
  secrets.ha1_md5 = {};
  EXPECT_EQ(check(md5), Verdict::wrong);
  EXPECT_EQ(check(sha), Verdict::ok);
  secrets = {make_ha1(kMd5, "alice", "p2psip.org", "secret"), ""};
  EXPECT_EQ(check(sha), Verdict::wrong);
  // The MD5 secret where the SHA-256 one belongs.
  secrets.ha1_sha256 = secrets.ha1_md5;
  EXPECT_EQ(check(sha), Verdict::wrong);
  EXPECT_FALSE(parse_digest_response(answer(kSha256, "secret", false)));  // no qop
  auto response = *parse_digest_response(md5);
  response.algorithm = kSha256;
  EXPECT_EQ(verifier.check(response, secrets, "REGISTER", kNow), Verdict::wrong);
  response = *parse_digest_response(md5);
  response.qop = "auth-int";
  EXPECT_EQ(verifier.check(response, secrets, "REGISTER", kNow), Verdict::malformed);
}

TEST_F(Exchange, EveryParameterCounts) {
  const std::string text = answer(kSha256);
  for (std::string_view part : {"sip:p2psip.org", "00000001", "abc"}) {
    std::string changed = text;
    changed.replace(changed.find(part), 1, part == "00000001" ? "1" : "z");
    EXPECT_EQ(check(changed), Verdict::wrong) << changed;
  }
}

const std::string kR32(32, 'a'), kR64(64, 'a');

// As phones write them.
TEST(Digest, Spellings) {
  std::string text =
      "DIGEST response=" + kR32 +
      ",uri=sip:h,nonce=n1,realm=h , username = alice,algorithm=\"md5\",qop=\"AUTH\",nc=\"00000001\","
      "cnonce=\"\\\"\",x-other=1,auth-param=\"y,z\",";
  auto r = parse_digest_response(text);
  ASSERT_TRUE(r) << r.error().what;
  EXPECT_EQ(r->username, "alice");
  EXPECT_EQ(r->uri, "sip:h");
  EXPECT_EQ(r->cnonce, "\\\"");
  EXPECT_EQ(r->nc, "00000001");
  text = "Digest username=\"a\\\"b\\\\c, d\", realm=\"\\r\", nonce=\"n\", uri=\"sip:a,b@c;d\", response=\"" +
         kR32 + "\"";
  r = parse_digest_response(text);
  ASSERT_TRUE(r);
  EXPECT_EQ(unquote_user(*r), "a\"b\\c, d");
  EXPECT_EQ(r->uri, "sip:a,b@c;d");
  EXPECT_TRUE(is_for_uri(*r, "SIP:a,b@C;d"));
  EXPECT_FALSE(is_for_uri(*r, "sip:b"));
}

TEST(Digest, Refused) {
  const std::string base = "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:h\"";
  ASSERT_TRUE(parse_digest_response(base + ", response=" + kR32));
  ASSERT_TRUE(parse_digest_response(base + ", userhash=false, response=" + kR32));
  for (const std::string& text : {std::string(),
                                  std::string("Digest"),
                                  std::string("Basic QWxhZGRpbg=="),
                                  std::string("Digestx a=b"),
                                  base,
                                  base + ", response=" + kR64,
                                  base + ", response=" + kR32 + "a",
                                  base + ", response=" + std::string(32, 'x'),
                                  base + ", response=" + kR32 + ", response=" + kR32,
                                  base + ", nonce=m, response=" + kR32,
                                  base + ", algorithm=MD5, algorithm=SHA-256, response=" + kR32,
                                  base + ", algorithm=MD5-sess, response=" + kR32,
                                  base + ", algorithm=SHA-512-256, response=" + kR64,
                                  base + ", algorithm=SHA-256, response=" + kR64,
                                  base + ", algorithm=, response=" + kR32,
                                  base + ", qop=auth-int, nc=1, cnonce=x, response=" + kR32,
                                  base + ", qop=auth, response=" + kR32,
                                  base + ", qop=auth, nc=xyz, cnonce=x, response=" + kR32,
                                  base + ", qop=auth, nc=123456789, cnonce=x, response=" + kR32,
                                  base + ", userhash=true, response=" + kR32,
                                  base + ", username*=UTF-8''a, response=" + kR32,
                                  base + " response=" + kR32,
                                  base + ", response=\"" + kR32,
                                  base + ", =x, response=" + kR32,
                                  base + ", x, response=" + kR32,
                                  base + ", x=a\"b, response=" + kR32})
    EXPECT_FALSE(parse_digest_response(text)) << text;
  for (std::string_view text :
       {"Digest realm=\"x\"", "Digest nonce=\"x\"", "Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"",
        "Digest realm=x, nonce=y, algorithm=SHA-512-256", "Digest realm=x, nonce=y, qop=\"auth-int\"",
        "Digest realm=x, nonce=y, nonce=z"})
    EXPECT_FALSE(parse_digest_challenge(text)) << text;
  auto c = parse_digest_challenge(
      "Digest nonce=y, realm=\"x\", qop=\"auth-int, auth\", stale=TRUE, domain=\"sip:x\"");
  ASSERT_TRUE(c);
  EXPECT_TRUE(c->qop_auth);
  EXPECT_TRUE(c->stale);
  EXPECT_FALSE(parse_digest_challenge("Digest nonce=y, realm=\"x\"")->qop_auth);
}

TEST(Digest, QuotedUsers) {
  const DigestVerifier verifier("r", key(1));
  const std::string user = "a \"quoted\" \\ user";
  auto challenge = *parse_digest_challenge(verifier.challenges(5, false)[0]);
  const std::string text = answer_challenge(challenge, user, "p", "REGISTER", "sip:r", "c", 1);
  auto response = parse_digest_response(text);
  ASSERT_TRUE(response);
  EXPECT_EQ(unquote_user(*response), user);
  const auto ha1 = make_ha1(kSha256, user, "r", "p");
  const DigestSecrets secrets{"", ha1};
  EXPECT_EQ(verifier.check(*response, secrets, "REGISTER", 5), Verdict::ok);
}

}  // namespace
}  // namespace causeway::sip
