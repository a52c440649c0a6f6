#include "ua/sdp.h"

#include <gtest/gtest.h>

#include "ua/limits.h"

namespace causeway::ua {
namespace {

// As a phone with audio and video would write it; some of it nobody needs here.
constexpr std::string_view kOffer =
    "v=0\r\n"
    "o=alice 2890844526 2890844527 IN IP4 host.example.org\r\n"
    "s=A call\r\n"
    "i=words that nobody reads\r\n"
    "c=IN IP4 198.51.100.7\r\n"
    "b=AS:84\r\n"
    "t=0 0\r\n"
    "a=setup:actpass\r\n"
    "m=audio 49170/2 RTP/AVP 0 96\r\n"
    "c=IN IP6 2001:db8::7\r\n"
    "a=rtpmap:96 opus/48000/2\r\n"
    "a=rtcp-mux\r\n"
    "a=candidate:1 1 udp 5 198.51.100.7 4 typ host\r\n"
    "a=candidate:2 1 udp 4 198.51.100.8 4 typ host\r\n"
    "m=video 0 RTP/AVP 31\r\n"
    "a=setup:passive\r\n";

std::string with(std::string_view lines) { return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n" + std::string(lines); }

TEST(Sdp, ReadsWhatACallNeeds) {
  const auto read = parse_sdp(kOffer);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->origin, "alice 2890844526 2890844527 IN IP4 host.example.org");
  EXPECT_EQ(read->lines.size(), 6u);
  ASSERT_EQ(read->media.size(), 2u);
  const MediaSection &audio = read->media[0], &video = read->media[1];
  EXPECT_TRUE(audio.is("audio"));
  EXPECT_EQ(audio.port, 49170);
  EXPECT_EQ(audio.ports, 2u);
  EXPECT_EQ(audio.protocol, "RTP/AVP");
  EXPECT_EQ(audio.formats, (std::vector<std::string>{"0", "96"}));
  EXPECT_EQ(audio.value("rtpmap"), "96 opus/48000/2");
  EXPECT_EQ(audio.value("rtcp-mux"), "");
  EXPECT_FALSE(audio.has("rtcp"));
  EXPECT_EQ(audio.values("candidate").size(), 2u);
  EXPECT_EQ(read->value_for(audio, "setup"), "actpass");
  EXPECT_EQ(read->value_for(video, "setup"), "passive");
  EXPECT_EQ(read->connection_for(audio), net::Ip::parse("2001:db8::7"));
  EXPECT_EQ(read->connection_for(video), net::Ip::parse("198.51.100.7"));
}

TEST(Sdp, WritesWhatItHasRead) {
  EXPECT_EQ(write(*parse_sdp(kOffer)), kOffer);
  // Line ends of other systems, and empty lines, are not kept.
  EXPECT_EQ(write(*parse_sdp("v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\n\n")), with("s=-\r\n"));
}

TEST(Sdp, SaysWhatWasExpected) {
  const auto why = [](std::string_view text) { return parse_sdp(text).error().message; };
  EXPECT_EQ(why(""), "SDP: expected v=0 as the first line");
  EXPECT_EQ(why("v=1\r\n"), "SDP: expected v=0 as the first line");
  EXPECT_EQ(why("v=0\r\ns=-\r\n"), "SDP: expected an o= line");
  EXPECT_EQ(why("v=0\r\no=- 1 1 IN IP4\r\n"), "SDP: expected o= with six words, found '- 1 1 IN IP4'");
  EXPECT_EQ(why(with("nonsense\r\n")), "SDP: expected lines such as a=value, found 'nonsense'");
  EXPECT_EQ(why(with("o=- 1 1 IN IP4 0.0.0.0\r\n")), "SDP: a second o= line");
  for (const std::string_view media : {"audio", "audio 1", "audio 65536 RTP/AVP 0", "audio -1 RTP/AVP 0",
                                       "audio 1/99999999999 RTP/AVP 0", "audio 1/x RTP/AVP 0"})
    EXPECT_EQ(why(with(fmt::format("m={}\r\n", media))),
              fmt::format("SDP: expected m=media port protocol formats, found '{}'", media));
}

TEST(Sdp, SomeBytesAreInNoLine) {
  EXPECT_FALSE(parse_sdp(with(std::string_view("s=a\0b\r\n", 7))));
  EXPECT_FALSE(parse_sdp(with("s=a\rb\r\n")));
}

TEST(Sdp, IsAsLongAsTheLimitsSay) {
  std::string lines;
  for (std::size_t i = 1; i < limits::kMaxSdpLines; ++i) lines += "a=x\n";
  EXPECT_TRUE(parse_sdp(with(lines)));
  EXPECT_EQ(parse_sdp(with(lines + "a=x\n")).error().message, "SDP: more than 1000 lines");
  lines.clear();
  for (std::size_t i = 0; i < limits::kMaxSections; ++i) lines += "m=audio 0 RTP/AVP 0\n";
  EXPECT_TRUE(parse_sdp(with(lines)));
  EXPECT_EQ(parse_sdp(with(lines + "m=audio 0 RTP/AVP 0\n")).error().message, "SDP: more than 16 m= lines");
  const std::string most = with("s=" + std::string(limits::kMaxSdp - with("s=").size(), 'x'));
  EXPECT_TRUE(parse_sdp(most));
  EXPECT_EQ(parse_sdp(most + "x").error().message, "SDP: 32769 bytes, expected at most 32768");
}

TEST(Sdp, AddressesAreNumbers) {
  const auto connection = [](std::string_view value) {
    return parse_sdp(with(fmt::format("c={}\r\n", value)))->connection();
  };
  EXPECT_EQ(connection("IN IP4 192.0.2.1"), net::Ip::parse("192.0.2.1"));
  EXPECT_EQ(connection("IN IP4 233.252.0.1/127/3"), net::Ip::parse("233.252.0.1"));
  EXPECT_FALSE(connection("IN IP4 host.example.org"));
  EXPECT_FALSE(connection("IN IP6 192.0.2.1"));
  EXPECT_FALSE(connection("IN IP4 2001:db8::1"));
  EXPECT_FALSE(connection(""));
  EXPECT_EQ(connection_text(*net::Ip::parse("2001:db8::1")), "IN IP6 2001:db8::1");
}

}  // namespace
}  // namespace causeway::ua
