#include "sip/digest_client.h"

#include <gtest/gtest.h>

#include "sip/make_request.h"

namespace causeway::sip {
namespace {

class DigestClientTest : public ::testing::Test {
 protected:
  const Message& response(int status, std::string challenges) {
    text_ = "SIP/2.0 " + std::to_string(status) +
            " X\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
            "<sip:c@d>;tag=2\r\nCall-ID: "
            "i\r\nCSeq: 1 INVITE\r\n" +
            challenges + "Content-Length: 0\r\n\r\n";
    EXPECT_TRUE(message_.parse(text_));
    return message_;
  }
  base::Random random{1};
  DigestClient client{random};
  DigestClient::Attempt attempt;
  using Verdict = DigestClient::Verdict;

 private:
  std::string text_;
  Message message_;
};

TEST_F(DigestClientTest, AnswersAsAVerifierWantsIt) {
  DigestVerifier verifier("sim", {});
  client.add("sim", "alice", "secret");
  std::string challenges;
  for (const auto& one : verifier.challenges(1000, false)) challenges += "WWW-Authenticate: " + one + "\r\n";
  ASSERT_EQ(client.challenged(response(401, challenges), attempt, false), Verdict::answered);
  const auto lines = client.lines("INVITE", "sip:bob@sim");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].first, "Authorization");
  const auto answer = parse_digest_response(lines[0].second);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->algorithm, DigestAlgorithm::sha256);  // the first of those offered
  const std::string ha1 = make_ha1(DigestAlgorithm::sha256, "alice", "sim", "secret");
  EXPECT_EQ(verifier.check(*answer, {{}, ha1}, "INVITE", 1000), DigestVerifier::Verdict::ok);
  EXPECT_NE(lines[0].second, client.lines("INVITE", "sip:bob@sim")[0].second);  // nc and cnonce
}

TEST_F(DigestClientTest, AStaleNonceIsNoRefusal) {
  client.add("sim", "alice", "secret");
  const std::string once = "Proxy-Authenticate: Digest realm=\"sim\", nonce=\"1\"\r\n";
  const std::string stale = "Proxy-Authenticate: Digest realm=\"sim\", nonce=\"2\", stale=true\r\n";
  EXPECT_EQ(client.challenged(response(407, once), attempt, false), Verdict::answered);
  EXPECT_EQ(client.challenged(response(407, stale), attempt, false), Verdict::answered);
  EXPECT_EQ(client.challenged(response(407, once), attempt, false), Verdict::refused);
  EXPECT_EQ(client.lines("BYE", "sip:x@y")[0].first, "Proxy-Authorization");
}

TEST_F(DigestClientTest, ARealmIsLearnedFromTheOwnRegistrarOnly) {
  client.add("", "alice", "secret");
  const std::string other = "WWW-Authenticate: Digest realm=\"other\", nonce=\"1\"\r\n";
  EXPECT_EQ(client.challenged(response(401, other), attempt, false), Verdict::not_ours);
  EXPECT_EQ(client.challenged(response(401, other), attempt, true), Verdict::answered);
  DigestClient::Attempt next;
  EXPECT_EQ(client.challenged(response(401, other), next, false), Verdict::answered);
  const std::string third = "WWW-Authenticate: Digest realm=\"third\", nonce=\"1\"\r\n";
  EXPECT_EQ(client.challenged(response(401, third), next, true), Verdict::not_ours);
}

TEST_F(DigestClientTest, WhatIsNotKnownIsToldApart) {
  client.add("sim", "alice", "secret");
  EXPECT_EQ(client.challenged(response(401, ""), attempt, true), Verdict::not_supported);
  const std::string sess = "WWW-Authenticate: Digest realm=\"sim\", nonce=\"1\", algorithm=MD5-sess\r\n";
  EXPECT_EQ(client.challenged(response(401, sess), attempt, true), Verdict::not_supported);
  EXPECT_TRUE(client.lines("INVITE", "sip:x@y").empty());
}

TEST(MakeRequest, NoValueCanAddALine) {
  const Flow flow{.transport = net::Transport::tcp};
  const std::string routes[] = {"<sip:a;lr>\r\nX-Evil: 1"};
  const ExtraHeader extra[] = {{"Subject", "a\r\n\r\nb"}};
  const auto made = make_request({.method = "INVITE",
                                  .uri = "sip:bob@sim",
                                  .from = "<sip:alice@sim>;tag=1",
                                  .to = "<sip:bob@sim>",
                                  .call_id = "c",
                                  .cseq = 7,
                                  .routes = routes,
                                  .extra = extra,
                                  .body = "body"},
                                 via_value(flow, "192.0.2.1:5060", "z9hG4bKx"));
  Message message;
  ASSERT_TRUE(message.parse(made.view()));
  EXPECT_EQ(message.value(HeaderName::via), "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKx;rport");
  EXPECT_EQ(message.find("X-Evil"), nullptr);
  EXPECT_EQ(message.value(HeaderName::route), "<sip:a;lr>  X-Evil: 1");
  EXPECT_EQ(message.body(), "body");
  EXPECT_EQ(message.cseq()->number, 7u);
}

}  // namespace
}  // namespace causeway::sip
