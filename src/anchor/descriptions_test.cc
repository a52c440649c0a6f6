#include "anchor/descriptions.h"

#include <gtest/gtest.h>

#include "ua/limits.h"

namespace causeway::anchor {
namespace {

const net::Address kTold{*net::Ip::parse("192.0.2.9"), 20000};
const net::Address kRelayed{*net::Ip::parse("198.51.100.7"), 50000};

ua::LocalMedia local() {
  ua::LocalMedia media;
  media.credentials = {"ours", "ourpasswordourpassword"};
  media.candidates = {{"1", 1, 100, kRelayed, ua::Candidate::Type::relayed, kTold}};
  media.default_rtp = kRelayed;
  return media;
}

constexpr std::string_view kPhone =
    "v=0\r\no=alice 7 3 IN IP4 10.0.0.5\r\ns=Call\r\nc=IN IP4 10.0.0.5\r\nb=AS:64\r\nt=0 0\r\na=tool:x\r\n"
    "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=rtcp:4001\r\na=rtcp-mux\r\na=ptime:20\r\na=sendonly\r\n";
constexpr std::string_view kWorld =
    "v=0\r\no=- 9 9 IN IP4 203.0.113.5\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-options:ice2\r\n"
    "m=video 9 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n"
    "m=audio 3000 RTP/AVP 111 8\r\nc=IN IP4 203.0.113.5\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n"
    "a=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpass\r\n"
    "a=candidate:1 1 UDP 2130706431 203.0.113.5 3000 typ host\r\na=rtcp-mux\r\na=maxptime:40\r\n";

TEST(Descriptions, OfAPhoneAsTheWorldGetsThem) {
  const auto said = read_phone(kPhone, nullptr);
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(said->media.rtp.text(), "10.0.0.5:4000");
  EXPECT_EQ(Numbering(5).write(for_world(*said, local(), nullptr)),
            "v=0\r\no=- 5 1 IN IP4 198.51.100.7\r\ns=Call\r\nc=IN IP4 198.51.100.7\r\nb=AS:64\r\nt=0 0\r\n"
            "a=tool:x\r\na=ice-options:ice2\r\n"
            "m=audio 50000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\na=rtcp-mux\r\na=ice-ufrag:ours\r\n"
            "a=ice-pwd:ourpasswordourpassword\r\n"
            "a=candidate:1 1 udp 100 198.51.100.7 50000 typ relay raddr 192.0.2.9 rport 20000\r\n");
}

TEST(Descriptions, OfTheWorldAsAPhoneGetsThem) {
  const auto said = read_world(kWorld, local(), nullptr);
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(said->section, 1u);
  ASSERT_TRUE(said->media.ice);
  EXPECT_EQ(Numbering(5).write(for_phone(*said, kTold, nullptr)),
            "v=0\r\no=- 5 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\n"
            "m=audio 20000 RTP/AVP 111 8\r\na=rtpmap:111 opus/48000/2\r\na=maxptime:40\r\n");
}

TEST(Descriptions, AnAnswerIsShapedAsTheOfferWas) {
  const auto offer = read_world(kWorld, local(), nullptr);
  const auto answer = read_phone(
      "v=0\r\no=a 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
      "m=audio 4000 RTP/AVP 8\r\n",
      &*offer);
  ASSERT_TRUE(answer) << answer.error().message;
  const auto text = Numbering(5).write(for_world(*answer, local(), &*offer));
  EXPECT_NE(
      text.find("m=video 0 RTP/AVP 96\r\na=mid:0\r\nm=audio 50000 RTP/AVP 8\r\na=mid:1\r\na=rtcp-mux\r\n"
                "a=ice-ufrag:ours\r\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("BUNDLE"), std::string::npos);
}

// It must not be told of ICE, nor of RTCP on the same port, if it has not offered that.
TEST(Descriptions, AnAnswerToWhoKnowsNoIceHasNone) {
  const auto offer = read_world(kPhone, local(), nullptr);
  ASSERT_TRUE(offer);
  EXPECT_FALSE(offer->media.ice);
  const auto answer = read_phone(kPhone, &*offer);
  const auto text = Numbering(5).write(for_world(*answer, local(), &*offer));
  EXPECT_EQ(text.find("ice"), std::string::npos) << text;
  EXPECT_NE(text.find("m=audio 50000 RTP/AVP"), std::string::npos) << text;
}

TEST(Descriptions, TheVersionGrowsWithWhatIsSaidAndNotWithHowOften) {
  Numbering numbering(5);
  const auto said = read_phone(kPhone, nullptr);
  const auto once = numbering.write(for_world(*said, local(), nullptr));
  EXPECT_EQ(numbering.write(for_world(*said, local(), nullptr)), once);
  auto other = local();
  other.credentials.ufrag = "another";
  EXPECT_NE(numbering.write(for_world(*said, other, nullptr)).find("o=- 5 2 "), std::string::npos);
}

TEST(Descriptions, WhatCannotBeCarriedIsSaid) {
  struct Bad {
    std::string text, why;
  };
  const std::string head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
  for (const Bad& bad :
       {Bad{"", "v=0"}, Bad{head, "no audio"}, Bad{head + "m=audio 0 RTP/AVP 0\r\n", "no audio"},
        Bad{head + "m=video 4000 RTP/AVP 96\r\n", "no audio"},
        Bad{head + "m=audio 4000 RTP/SAVP 0\r\n", "RTP/AVP"},
        Bad{head + "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.0.0.1\r\n", "address"},
        Bad{head + std::string(ua::limits::kMaxSdp, ' '), "bytes"}}) {
    const auto said = read_phone(bad.text, nullptr);
    ASSERT_FALSE(said) << bad.text.substr(0, 200);
    EXPECT_NE(said.error().message.find(bad.why), std::string::npos) << said.error().message;
  }
  const auto offer = read_world(kWorld, local(), nullptr);
  EXPECT_FALSE(read_phone(kPhone, &*offer));  // one section in answer to two
}

}  // namespace
}  // namespace causeway::anchor
