#include "ua/offer_answer.h"

#include <gtest/gtest.h>

#include "ua/limits.h"
#include "ua/sdp.h"

namespace causeway::ua {
namespace {

const std::string kFingerprint = "sha-256 " + [] {
  std::string bytes = "0A";
  for (int i = 1; i < 32; ++i) bytes += ":0A";
  return bytes;
}();
const IceCredentials kTheirs{"8hhY", "asd88fgpdd777uzjYhagZg"};

net::Address at(std::string_view text) { return net::Address::parse(text).value(); }

Candidate candidate(std::string_view address, std::uint32_t priority,
                    Candidate::Type type = Candidate::Type::host) {
  return {"1", 1, priority, at(address), type, {}};
}

// Alice has everything; what a test wants less of it takes away.
LocalMedia alice() {
  LocalMedia media;
  media.codecs = {{111, "opus", 48000, 2, "useinbandfec=1"},
                  {8, "PCMA", 8000, 1, {}},
                  {0, "PCMU", 8000, 1, {}},
                  {101, "telephone-event", 8000, 1, "0-15"}};
  media.fingerprint = kFingerprint;
  media.credentials = {"alice", "alicesaysthis0123456789"};
  media.candidates = {candidate("10.0.0.1:4000", 200),
                      candidate("192.0.2.1:5000", 100, Candidate::Type::relayed)};
  media.default_rtp = at("192.0.2.1:5000");
  return media;
}

// What bob says of the audio, after what he says of the session.
std::string sdp(std::string_view audio, std::string_view media = "m=audio 4000 RTP/AVP 0 8\r\n",
                std::string_view session = "c=IN IP4 198.51.100.7\r\n") {
  return fmt::format("v=0\r\no=bob 7 3 IN IP4 198.51.100.7\r\ns=-\r\n{}t=0 0\r\n{}{}", session, media, audio);
}
std::string with_ice(std::string_view lines) {
  return sdp(fmt::format("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n{}", kTheirs.ufrag, kTheirs.password, lines));
}
RemoteMedia offered(std::string_view text) {
  auto read = read_offer(text, alice());
  EXPECT_TRUE(read) << read.error().message;
  return read.value_or(RemoteMedia{});
}
std::string refusal(std::string_view text, const LocalMedia& local = alice()) {
  const auto read = read_offer(text, local);
  return read ? "accepted" : read.error().message;
}
std::vector<std::string> names(const std::vector<Payload>& codecs) {
  std::vector<std::string> names;
  for (const Payload& codec : codecs) names.push_back(fmt::format("{} {}", codec.number, codec.name));
  return names;
}

TEST(OfferAnswer, TwoThatHaveEverythingAgree) {
  LocalMedia caller = alice(), callee = alice();
  caller.keying = callee.keying = Keying::dtls_srtp;
  callee.credentials = kTheirs;
  callee.codecs = {
      {0, "pcmu", 8000, 1, {}}, {96, "OPUS", 48000, 2, "stereo=0"}, {97, "telephone-event", 8000, 1, {}}};
  const std::string offer = make_offer(caller, 1234, 5);
  const auto heard = read_offer(offer, callee);
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(heard->rtp, at("192.0.2.1:5000"));
  EXPECT_TRUE(heard->rtcp_mux);
  EXPECT_EQ(heard->ice, caller.credentials);
  EXPECT_EQ(heard->candidates, caller.candidates);
  EXPECT_EQ(heard->keying, Keying::dtls_srtp);
  EXPECT_EQ(heard->fingerprint, kFingerprint);
  EXPECT_EQ(heard->session, "1234");
  EXPECT_EQ(heard->version, "5");
  // The caller's order, and his numbers.
  EXPECT_EQ(names(heard->codecs), (std::vector<std::string>{"111 opus", "0 PCMU", "101 telephone-event"}));
  EXPECT_EQ(heard->codecs[0].fmtp, "useinbandfec=1");
  EXPECT_TRUE(is_dtls_client(*heard));

  const std::string answer = make_answer(callee, *heard, offer, 99, 1);
  const auto agreed = read_answer(answer, caller);
  ASSERT_TRUE(agreed) << agreed.error().message;
  EXPECT_EQ(names(agreed->codecs), names(heard->codecs));
  EXPECT_EQ(agreed->ice, kTheirs);
  EXPECT_TRUE(agreed->rtcp_mux);
  EXPECT_EQ(agreed->setup, RemoteMedia::Setup::active);
  EXPECT_FALSE(is_dtls_client(*agreed));
}

TEST(OfferAnswer, AnOfferSaysAllThatItHas) {
  LocalMedia media = alice();
  const auto read = parse_sdp(make_offer(media, 1, 1));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->connection(), at("192.0.2.1:1").ip);
  const MediaSection& audio = read->media.at(0);
  EXPECT_EQ(audio.port, 5000);
  EXPECT_EQ(audio.protocol, "RTP/AVP");
  EXPECT_EQ(audio.value("rtpmap"), "111 opus/48000/2");
  EXPECT_EQ(audio.values("candidate").size(), 2u);
  EXPECT_TRUE(audio.has("sendrecv"));
  EXPECT_FALSE(audio.has("fingerprint"));
  media.ice = false;
  media.default_rtp = {};
  const auto bare = parse_sdp(make_offer(media, 1, 1));
  EXPECT_EQ(bare->media.at(0).port, 9);
  EXPECT_FALSE(bare->media.at(0).has("ice-ufrag"));
}

TEST(OfferAnswer, WithAPhoneThatKnowsNothingNew) {
  const std::string offer = sdp("");
  const RemoteMedia phone = offered(offer);
  EXPECT_EQ(phone.rtp, at("198.51.100.7:4000"));
  EXPECT_FALSE(phone.ice);
  EXPECT_FALSE(phone.ice_mismatch);
  EXPECT_FALSE(phone.rtcp_mux);
  EXPECT_EQ(phone.rtcp, at("198.51.100.7:4001"));
  EXPECT_EQ(names(phone.codecs), (std::vector<std::string>{"0 PCMU", "8 PCMA"}));
  EXPECT_EQ(phone.keying, Keying::plain);
  const auto answer = parse_sdp(make_answer(alice(), phone, offer, 1, 1));
  const MediaSection& audio = answer->media.at(0);
  EXPECT_EQ(audio.port, 5000);  // the relayed address
  EXPECT_EQ(answer->connection(), at("192.0.2.1:1").ip);
  for (const std::string_view nothing :
       {"ice-ufrag", "candidate", "rtcp-mux", "fingerprint", "setup", "ice-mismatch"})
    EXPECT_FALSE(audio.has(nothing)) << nothing;
  EXPECT_EQ(offered(sdp("a=rtcp:53020 IN IP4 198.51.100.9\r\n")).rtcp, at("198.51.100.9:53020"));
  EXPECT_EQ(offered(sdp("a=rtcp:53020 IN IP4 224.0.0.1\r\n")).rtcp, std::nullopt);
}

TEST(OfferAnswer, OneAudioSectionIsTakenAndTheOthersAreRefused) {
  const std::string offer = sdp("a=mid:v\r\n", "m=video 5000 RTP/AVP 31 34\r\n") +
                            "m=audio 0 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 9\r\n"
                            "m=audio 4000 RTP/AVP 0\r\na=mid:a\r\nm=audio 4004 RTP/AVP 0\r\n";
  const RemoteMedia remote = offered(offer);
  EXPECT_EQ(remote.section, 3u);
  const auto answer = parse_sdp(make_answer(alice(), remote, offer, 1, 1));
  ASSERT_EQ(answer->media.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(answer->media[i].port, i == 3 ? 5000 : 0) << i;
  EXPECT_EQ(answer->media[0].formats, (std::vector<std::string>{"31", "34"}));
  EXPECT_EQ(answer->media[0].value("mid"), "v");
  EXPECT_EQ(answer->media[3].value("mid"), "a");
}

TEST(OfferAnswer, Directions) {
  using enum Direction;
  EXPECT_EQ(reverse(sendonly), recvonly);
  EXPECT_EQ(reverse(inactive), inactive);
  EXPECT_EQ(agreed_direction(sendrecv, sendonly), recvonly);
  EXPECT_EQ(agreed_direction(sendonly, sendrecv), sendonly);
  EXPECT_EQ(agreed_direction(sendonly, sendonly), inactive);
  EXPECT_EQ(offered(sdp("a=sendonly\r\n")).direction, sendonly);
  EXPECT_EQ(offered(sdp("", "a=inactive\r\nm=audio 4000 RTP/AVP 0\r\n")).direction, inactive);
  EXPECT_EQ(offered(sdp("a=recvonly\r\n", "a=inactive\r\nm=audio 4000 RTP/AVP 0\r\n")).direction, recvonly);
  const RemoteMedia held = offered(sdp("", "m=audio 4000 RTP/AVP 0\r\n", "c=IN IP4 0.0.0.0\r\n"));
  EXPECT_EQ(held.direction, sendonly);
  EXPECT_EQ(held.rtp, net::Address{});
  const std::string offer = sdp("a=sendonly\r\n");
  EXPECT_TRUE(parse_sdp(make_answer(alice(), offered(offer), offer, 1, 1))->media.at(0).has("recvonly"));
}

TEST(OfferAnswer, CodecsAreThoseOfBoth) {
  const auto codecs = [](std::string_view formats, std::string_view maps) {
    return names(offered(sdp(maps, fmt::format("m=audio 4000 RTP/AVP {}\r\n", formats))).codecs);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(codecs("18 0", ""), Names{"0 PCMU"});
  EXPECT_EQ(codecs("0 0 0", ""), Names{"0 PCMU"});
  EXPECT_EQ(codecs("0 96", "a=rtpmap:96 Opus/48000/2\r\n"), (Names{"0 PCMU", "96 Opus"}));
  EXPECT_EQ(codecs("0 96", "a=rtpmap:96 opus/48000\r\n"), Names{"0 PCMU"});  // RFC 7587 7: always 2
  EXPECT_EQ(codecs("0 96", "a=rtpmap:96 opus/99999999999/2\r\n"), Names{"0 PCMU"});
  EXPECT_EQ(codecs("0 300 -1 x", "a=rtpmap:300 PCMA/8000\r\n"), Names{"0 PCMU"});
  EXPECT_EQ(refusal(sdp("", "m=audio 4000 RTP/AVP 18\r\n")), "SDP: no audio codec that both sides have");
  EXPECT_EQ(refusal(sdp("a=rtpmap:96 telephone-event/8000\r\n", "m=audio 4000 RTP/AVP 96\r\n")),
            "SDP: no audio codec that both sides have");
  EXPECT_EQ(refusal(sdp("", "m=video 4000 RTP/AVP 31\r\n")), "SDP: no audio is offered");
}

TEST(OfferAnswer, SoManyPayloadsAreLookedAt) {
  std::string formats;
  for (std::size_t i = 1; i < limits::kMaxPayloads; ++i) formats += "18 ";
  EXPECT_EQ(refusal(sdp("", "m=audio 4000 RTP/AVP " + formats + "0\r\n")), "accepted");
  EXPECT_EQ(refusal(sdp("", "m=audio 4000 RTP/AVP " + formats + "18 0\r\n")),
            "SDP: no audio codec that both sides have");
}

TEST(OfferAnswer, IceOfTheOtherSide) {
  const RemoteMedia remote =
      offered(with_ice("a=candidate:1 1 udp 100 203.0.113.1 4000 typ srflx raddr 10.0.0.7 rport 4000\r\n"
                       "a=candidate:1 2 udp 100 203.0.113.1 4001 typ srflx raddr 10.0.0.7 rport 4001\r\n"
                       "a=candidate:2 1 tcp 300 198.51.100.7 9 typ host tcptype active\r\n"
                       "a=candidate:2 1 udp 300 0a1b.local 9 typ host\r\n"
                       "a=candidate:3 1 udp 200 198.51.100.7 4000 typ host\r\n"
                       "a=candidate:4 1 udp 50 198.51.100.7 4000 typ host\r\n"));
  EXPECT_EQ(remote.ice, kTheirs);
  ASSERT_EQ(remote.candidates.size(), 2u);  // of RTP, over UDP, each address once, the best first
  EXPECT_EQ(remote.candidates[0].priority, 200u);
  EXPECT_EQ(remote.candidates[1].priority, 100u);
  EXPECT_FALSE(remote.ice_lite);
}

// RFC 8839 5.5
TEST(OfferAnswer, HowFastTheChecksAre) {
  const auto pacing = [](std::string_view lines) {
    return offered(sdp("a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n", "m=audio 9 RTP/AVP 0\r\n",
                       fmt::format("{}c=IN IP4 0.0.0.0\r\n", lines)))
        .ice_pacing;
  };
  EXPECT_EQ(pacing(""), 0u);
  EXPECT_EQ(pacing("a=ice-pacing:50\r\n"), 50u);
  EXPECT_EQ(pacing(fmt::format("a=ice-pacing:{}\r\n", limits::kMaxIcePacing)), limits::kMaxIcePacing);
  for (const std::string_view wrong : {"", ":", ":201", ":9999999999", ":99999999999999999999", ":-1", ":+50",
                                       ": 50", ":50 ", ":5e1", ":0x32", ":50ms"})
    EXPECT_EQ(pacing(fmt::format("a=ice-pacing{}\r\n", wrong)), 0u) << wrong;

  const std::string offer = make_offer(alice(), 1, 1);
  EXPECT_EQ(parse_sdp(offer)->value("ice-pacing"), std::to_string(limits::kIcePacing));
  const RemoteMedia heard = offered(offer);
  EXPECT_EQ(heard.ice_pacing, limits::kIcePacing);
  const auto answer = [](const RemoteMedia& remote, const std::string& to) {
    return *parse_sdp(make_answer(alice(), remote, to, 1, 1));
  };
  EXPECT_EQ(answer(heard, offer).value("ice-pacing"), std::to_string(limits::kIcePacing));
  EXPECT_FALSE(answer(offered(sdp("")), sdp("")).has("ice-pacing"));
}

TEST(OfferAnswer, IceThatIsNone) {
  const std::string candidate = "a=candidate:3 1 udp 200 198.51.100.7 4000 typ host\r\n";
  const auto ice = [&](std::string_view lines) { return offered(sdp(std::string(lines) + candidate)).ice; };
  EXPECT_TRUE(ice("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"));
  EXPECT_FALSE(ice("a=ice-ufrag:abc\r\na=ice-pwd:0123456789012345678901\r\n"));
  EXPECT_FALSE(ice("a=ice-ufrag:abcd\r\na=ice-pwd:012345678901234567890\r\n"));
  EXPECT_FALSE(ice("a=ice-ufrag:ab\"d\r\na=ice-pwd:0123456789012345678901\r\n"));
  EXPECT_FALSE(
      ice("a=ice-ufrag:abcd\r\na=ice-pwd:" + std::string(limits::kMaxIceCredential + 1, 'x') + "\r\n"));
  EXPECT_FALSE(ice("a=ice-ufrag:abcd\r\n"));
  EXPECT_FALSE(ice("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-mismatch\r\n"));
  LocalMedia without = alice();
  without.ice = false;
  EXPECT_FALSE(read_offer(with_ice(candidate), without)->ice);
}

TEST(OfferAnswer, AddressesThatWereAlteredOnTheWay) {
  const std::string offer = with_ice("a=candidate:3 1 udp 200 10.0.0.9 4000 typ host\r\n");
  const RemoteMedia altered = offered(offer);
  EXPECT_FALSE(altered.ice);
  EXPECT_TRUE(altered.ice_mismatch);
  EXPECT_TRUE(altered.candidates.empty());
  EXPECT_TRUE(parse_sdp(make_answer(alice(), altered, offer, 1, 1))->media.at(0).has("ice-mismatch"));
  // Not so where there is no address yet.
  const std::string ice = "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n";
  const RemoteMedia later = offered(sdp(ice, "m=audio 9 RTP/AVP 0\r\n", "c=IN IP4 0.0.0.0\r\n"));
  EXPECT_TRUE(later.ice);
  EXPECT_EQ(later.rtp, net::Address{});
  EXPECT_EQ(later.direction, Direction::sendrecv);
  EXPECT_TRUE(offered(sdp(ice, "m=audio 9 RTP/AVP 0\r\na=ice-lite\r\n", "a=ice-lite\r\nc=IN IP4 0.0.0.0\r\n"))
                  .ice_lite);
}

TEST(OfferAnswer, OfAThousandCandidatesTheBestAreKept) {
  std::string lines;
  for (int i = 1; i <= 900; ++i)
    lines += fmt::format("a=candidate:{} 1 udp {} 203.0.113.{} {} typ host\r\n", i, i, i % 200 + 1, 1000 + i);
  const RemoteMedia remote = offered(sdp("a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n" + lines,
                                         "m=audio 9 RTP/AVP 0\r\n", "c=IN IP4 0.0.0.0\r\n")
                                         .substr(0, limits::kMaxSdp));
  ASSERT_EQ(remote.candidates.size(), limits::kMaxCandidates);
  EXPECT_GT(remote.candidates_left_out, 500u);
  EXPECT_EQ(remote.candidates[0].priority - remote.candidates[24].priority, 24u);
}

TEST(OfferAnswer, AddressesOfNobody) {
  for (const std::string_view ip :
       {"IP4 224.0.0.1", "IP4 255.255.255.255", "IP6 ff02::1", "IP6 ::", "IP4 a.example"})
    EXPECT_EQ(refusal(sdp("", "m=audio 4000 RTP/AVP 0\r\n", fmt::format("c=IN {}\r\n", ip)))
                  .find("SDP: expected an address to send to in c= and m="),
              0u)
        << ip;
}

TEST(OfferAnswer, DtlsIsAsGoodAsItMustBe) {
  const auto dtls = [](std::string_view lines) { return sdp(lines, "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n"); };
  const std::string fingerprint = "a=fingerprint:" + kFingerprint + "\r\n";
  const RemoteMedia remote = offered(dtls(fingerprint + "a=setup:passive\r\n"));
  EXPECT_EQ(remote.keying, Keying::dtls_srtp);
  EXPECT_TRUE(is_dtls_client(remote));
  EXPECT_FALSE(is_dtls_client(offered(dtls(fingerprint))));  // RFC 4145 4.1: active
  EXPECT_EQ(
      offered(dtls("a=fingerprint:sha-512 " + std::string(191, 'A') + "\r\n" + fingerprint)).fingerprint,
      kFingerprint);
  EXPECT_EQ(offered(dtls("a=fingerprint:SHA-256 " + kFingerprint.substr(8, 93) + "0a\r\n")).fingerprint,
            kFingerprint);
  const std::string weak = "SDP: expected a fingerprint by SHA-256 or better (no keys in SDP, no SHA-1)";
  EXPECT_EQ(refusal(dtls("")), weak);
  EXPECT_EQ(refusal(dtls("a=fingerprint:sha-1 0A\r\n")), weak);
  EXPECT_EQ(refusal(dtls("a=fingerprint:" + kFingerprint + ":0A\r\n")), weak);
  EXPECT_EQ(refusal(dtls("a=fingerprint:sha-256 " + std::string(95, 'A') + "\r\n")), weak);
  EXPECT_EQ(refusal(dtls(fingerprint + "a=setup:holdconn\r\n")),
            "SDP: expected setup actpass, active or passive, found 'holdconn'");
  LocalMedia strict = alice();
  strict.keying = Keying::dtls_srtp;
  EXPECT_EQ(refusal(sdp(""), strict), "SDP: expected DTLS-SRTP (UDP/TLS/RTP/SAVP), found 'RTP/AVP'");
  LocalMedia bare = alice();
  bare.fingerprint.clear();
  EXPECT_EQ(refusal(dtls(fingerprint), bare), "SDP: expected RTP/AVP, found 'UDP/TLS/RTP/SAVPF'");
}

TEST(OfferAnswer, AnswersThatAreNone) {
  const auto refused = [](std::string_view text, Keying keying = Keying::plain) {
    LocalMedia local = alice();
    local.keying = keying;
    const auto read = read_answer(text, local);
    return read ? "accepted" : read.error().message;
  };
  EXPECT_EQ(refused(sdp("")), "accepted");
  EXPECT_EQ(refused(sdp("", "m=audio 0 RTP/AVP 0\r\n")), "SDP: the other side has refused the audio");
  EXPECT_EQ(refused(sdp("", "")), "SDP: expected one audio section in the answer, found 0 sections");
  EXPECT_EQ(refused(sdp("") + "m=audio 1 RTP/AVP 0\r\n"),
            "SDP: expected one audio section in the answer, found 2 sections");
  EXPECT_EQ(refused(sdp(""), Keying::dtls_srtp),
            "SDP: expected DTLS-SRTP (UDP/TLS/RTP/SAVP), found 'RTP/AVP'");
  const std::string dtls =
      sdp("a=fingerprint:" + kFingerprint + "\r\na=setup:actpass\r\n", "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\n");
  EXPECT_EQ(refused(dtls, Keying::dtls_srtp), "SDP: expected setup active or passive, found 'actpass'");
  EXPECT_EQ(refused(dtls), "SDP: expected RTP/AVP, found 'UDP/TLS/RTP/SAVP'");
}

}  // namespace
}  // namespace causeway::ua
