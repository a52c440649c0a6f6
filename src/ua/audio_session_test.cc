// Two sessions with a path between them, in virtual time (DTLS repeats by the system's clock, but nothing is
// lost where that would matter).
#include "ua/audio_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>

#include "ua/codec.h"
#include "ua/dtls.h"
#include "ua/limits.h"
#include "ua/rtcp.h"
#include "ua/rtp.h"
#include "ua/tones_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;
using test::amplitude_of;

constexpr base::Duration kWay = 30ms;  // from one side to the other

struct Side final : AudioSession::Outside {
  Side(std::uint64_t seed, const std::string& play, const std::string& record)
      : random(seed), session(*AudioSetup::open(play, record), random, metrics, *this) {}
  void send(std::string_view packet) override {
    ++sent;
    last = packet;
    if (random.below(100) >= loss) outbox.emplace_back(now + kWay, packet);
  }
  void on_dtmf(char digit) override { digits += digit; }
  void on_secured() override { ++secured; }
  void on_first_audio() override { ++first_audio; }
  void on_ended(std::string why) override { ended = std::move(why); }

  base::Instant now{1'000'000ms};
  base::Random random;
  base::Metrics counted;
  AudioMetrics metrics{counted};
  AudioSession session;
  std::deque<std::pair<base::Instant, std::string>> outbox;
  std::uint64_t loss = 0;  // per cent
  int sent = 0, secured = 0, first_audio = 0;
  std::string digits, ended, last;
};

struct Session : ::testing::Test {
  test::Folder folder;
  std::string low = folder.write("low.wav", 8000, test::tone(8000, 440, 4));
  std::string high = folder.write("high.wav", 48000, test::tone(48000, 880, 4));
  Side a{1, low, folder.file("a.wav")}, b{2, high, folder.file("b.wav")};
  base::Instant now{1'000'000ms};

  static RemoteMedia remote(Keying keying, const std::string& codec, RemoteMedia::Setup setup) {
    const CodecKind* kind = find_codec(codec);
    RemoteMedia media;
    media.rtcp_mux = true;
    media.codecs = {{kind->number, std::string(kind->name), kind->rate, kind->channels, {}},
                    {101, "telephone-event", kind->rate, 1, {}}};
    media.keying = keying;
    media.fingerprint = (*DtlsIdentity::of_process())->fingerprint();
    media.setup = setup;
    return media;
  }
  void begin(Keying keying, const std::string& codec) {
    a.session.start(remote(keying, codec, RemoteMedia::Setup::active), now);
    b.session.start(remote(keying, codec, RemoteMedia::Setup::actpass), now);
    a.session.on_path(now);
    b.session.on_path(now);
  }
  void run(base::Duration span) {
    for (const base::Instant end = now + span; now < end; now += 1ms) {
      for (Side* side : {&a, &b}) {
        Side& other = side == &a ? b : a;
        side->now = now;
        while (!side->outbox.empty() && side->outbox.front().first <= now) {
          const std::string packet = side->outbox.front().second;
          side->outbox.pop_front();
          other.now = now;
          other.session.on_packet(packet, now);
        }
        if (side->session.next_wake() <= now) side->session.on_time(now);
      }
    }
  }
  // What was recorded at `name`, from the second on in which everything is under way.
  double heard(const std::string& name, double frequency, double from = 1, double to = 3) const {
    const test::Recording all = test::read_wav(folder.file(name));
    return amplitude_of(all.seconds(from, to), all.rate, frequency);
  }
};

struct EveryWay : Session, ::testing::WithParamInterface<std::tuple<Keying, const char*>> {};

TEST_P(EveryWay, WhatIsPlayedHereIsHeardThereAndKeysToo) {
  const auto [keying, codec] = GetParam();
  begin(keying, codec);
  run(3s);
  a.session.send_dtmf("12#");
  b.session.send_dtmf("*");
  run(2s);
  EXPECT_NEAR(heard("a.wav", 880), 8000, 1000);
  EXPECT_NEAR(heard("b.wav", 440), 8000, 1000);
  EXPECT_LT(heard("a.wav", 440), 200);
  EXPECT_LT(heard("b.wav", 880), 600);
  EXPECT_EQ(b.digits, "12#");
  EXPECT_EQ(a.digits, "*");
  for (const Side* side : {&a, &b}) {
    const MediaStatistics statistics = side->session.statistics();
    EXPECT_EQ(statistics.secured, keying == Keying::dtls_srtp);
    EXPECT_EQ(side->secured, keying == Keying::dtls_srtp);
    EXPECT_EQ(statistics.codec, codec);
    EXPECT_EQ(statistics.packets_lost, 0);
    EXPECT_EQ(statistics.packets_refused, 0U);
    EXPECT_NEAR(static_cast<double>(statistics.packets_sent), 250, 3 + kWay.count() / 5.0);
    ASSERT_TRUE(statistics.first_audio && statistics.first_packet);
    EXPECT_GE(*statistics.first_audio, *statistics.first_packet);
    EXPECT_LE(*statistics.first_audio, base::Instant(1'000'000ms) + 6 * kWay + 60ms);
    EXPECT_EQ(side->first_audio, 1);
    EXPECT_EQ(side->ended, "");
  }
}

INSTANTIATE_TEST_SUITE_P(Call, EveryWay,
                         ::testing::Combine(::testing::Values(Keying::plain, Keying::dtls_srtp),
                                            ::testing::Values("PCMA", "PCMU", "opus")),
                         [](const auto& test) {
                           return std::string(std::get<1>(test.param)) +
                                  (std::get<0>(test.param) == Keying::plain ? "Plain" : "Secured");
                         });

TEST_F(Session, NothingLeavesBeforeThereIsAPath) {
  a.session.start(remote(Keying::plain, "PCMA", RemoteMedia::Setup::actpass), now);
  run(1s);
  EXPECT_EQ(a.sent, 0);
  EXPECT_EQ(a.session.next_wake(), base::Instant::max());
}

TEST_F(Session, ReportsTellOfLossAndOfTheWay) {
  b.loss = 20;
  begin(Keying::plain, "PCMA");
  run(30s);
  const MediaStatistics here = a.session.statistics(), there = b.session.statistics();
  EXPECT_NEAR(static_cast<double>(here.packets_lost), 300, 60);
  EXPECT_NEAR(there.lost_there, here.packets_lost, 80);
  EXPECT_GT(here.frames_concealed, 150U);
  ASSERT_TRUE(here.round_trip);
  EXPECT_NEAR(static_cast<double>(here.round_trip->count()), 2.0 * kWay.count(), 5);
}

TEST_F(Session, WhenTheFileHasEndedSilenceIsSent) {
  begin(Keying::plain, "PCMA");
  run(6s);
  EXPECT_NEAR(static_cast<double>(b.session.statistics().packets_received), 298, 5);
  EXPECT_LT(heard("b.wav", 440, 4.5, 5.5), 10);
  EXPECT_EQ(parse_rtp(a.last)->payload, std::string(160, '\xd5'));
}

TEST_F(Session, HoldAndBack) {
  begin(Keying::dtls_srtp, "PCMA");
  run(1s);
  // a puts b on hold: a sends nothing but what keeps the path alive, and hears nothing.
  RemoteMedia of_b = remote(Keying::dtls_srtp, "PCMA", RemoteMedia::Setup::active);
  RemoteMedia of_a = remote(Keying::dtls_srtp, "PCMA", RemoteMedia::Setup::actpass);
  of_b.direction = of_a.direction = Direction::inactive;
  a.session.set_direction(Direction::inactive, now);
  a.session.start(of_b, now);
  b.session.start(of_a, now);
  run(200ms);
  const auto before = a.session.statistics();
  const auto before_b = b.session.statistics();
  run(12s);
  EXPECT_EQ(a.session.statistics().packets_sent, before.packets_sent);
  EXPECT_EQ(b.session.statistics().packets_sent, before_b.packets_sent);
  EXPECT_LT(heard("b.wav", 440, 3, 10), 10);
  of_b.direction = of_a.direction = Direction::sendrecv;
  a.session.set_direction(Direction::sendrecv, now);
  a.session.start(of_b, now);
  b.session.start(of_a, now);
  run(2s);
  EXPECT_NEAR(heard("b.wav", 440, 14, 15), 8000, 1000);
  EXPECT_NEAR(heard("a.wav", 880, 14, 15), 8000, 1000);
  EXPECT_EQ(a.secured, 1);  // the association has gone on
}

TEST_F(Session, OneWayOnly) {
  begin(Keying::plain, "PCMA");
  a.session.set_direction(Direction::recvonly, now);
  run(3s);
  EXPECT_EQ(a.session.statistics().packets_sent, 0U);
  EXPECT_NEAR(heard("a.wav", 880), 8000, 1000);
}

TEST_F(Session, AnotherCodecInTheMiddle) {
  begin(Keying::plain, "PCMA");
  run(1s);
  a.session.start(remote(Keying::plain, "opus", RemoteMedia::Setup::active), now);
  b.session.start(remote(Keying::plain, "opus", RemoteMedia::Setup::actpass), now);
  run(2500ms);
  EXPECT_NEAR(heard("b.wav", 440, 2, 3), 8000, 1000);
  EXPECT_NEAR(heard("a.wav", 880, 2, 3), 8000, 1000);
}

TEST_F(Session, AFalseFingerprintEndsIt) {
  RemoteMedia lie = remote(Keying::dtls_srtp, "PCMA", RemoteMedia::Setup::active);
  lie.fingerprint = (*DtlsIdentity::make())->fingerprint();
  a.session.start(lie, now);
  b.session.start(remote(Keying::dtls_srtp, "PCMA", RemoteMedia::Setup::actpass), now);
  a.session.on_path(now);
  b.session.on_path(now);
  run(1s);
  EXPECT_NE(a.ended.find("fingerprint"), std::string::npos) << a.ended;
  EXPECT_EQ(a.metrics.dtls_failed.value, 1U);
  EXPECT_EQ(a.session.statistics().packets_sent, 0U);
  EXPECT_EQ(b.session.statistics().packets_sent, 0U);
}

TEST_F(Session, TheEndIsTold) {
  begin(Keying::dtls_srtp, "PCMA");
  run(500ms);
  a.session.stop(now);
  const int sent = a.sent;
  run(1s);
  EXPECT_EQ(a.sent, sent);
  EXPECT_NE(b.ended, "");
}

TEST_F(Session, AfterASleepNotEverythingIsMadeUpFor) {
  begin(Keying::plain, "PCMA");
  run(100ms);
  const int before = a.sent;
  const std::uint32_t timestamp = parse_rtp(a.last)->timestamp;
  now += 10s;
  a.session.on_time(now);
  EXPECT_LE(a.sent - before, limits::kMaxFramesAtOnce + 1);  // and a report
  EXPECT_GT(a.metrics.frames_left_out.value, 480U);
  run(100ms);
  EXPECT_NEAR(parse_rtp(a.last)->timestamp - timestamp, 10.1 * 8000, 320);
}

TEST_F(Session, TooManyKeysAreRefused) {
  a.session.send_dtmf(std::string(limits::kMaxWaitingDigits + 1, '1'));
  EXPECT_EQ(a.metrics.digits.value, 1U);
}

// ---- foreign packets

struct Foreign : Session {
  void SetUp() override {
    begin(Keying::plain, "PCMA");
    run(500ms);
  }
  static std::string rtp(std::uint32_t ssrc, std::uint16_t sequence, std::uint8_t type = 8) {
    std::array<char, 400> to;
    return std::string(to.data(), write_rtp({.payload_type = type,
                                             .sequence = sequence,
                                             .timestamp = sequence * 160U,
                                             .ssrc = ssrc,
                                             .payload = std::string(160, 'x')},
                                            to));
  }
  std::uint32_t ssrc(const Side& side) const { return parse_rtp(side.last)->ssrc; }
};

TEST_F(Foreign, WhatIsNoMediaIsCounted) {
  a.session.on_packet(std::string(limits::kMaxPacket + 1, '\x80'), now);
  EXPECT_EQ(a.metrics.too_long.value, 1U);
  for (const std::string_view packet : {"", "INVITE", "\x16 dtls"}) a.session.on_packet(packet, now);
  EXPECT_EQ(a.metrics.foreign.value, 3U);
  a.session.on_packet("\x80\x08", now);
  a.session.on_packet("\x80\xc8\xff\xff", now);
  EXPECT_EQ(a.metrics.malformed.value, 2U);
  a.session.on_packet(rtp(5, 5, 77), now);
  EXPECT_EQ(a.metrics.payload.value, 1U);
  EXPECT_EQ(a.session.statistics().packets_refused, 7U);
}

TEST_F(Foreign, ASecondSourceIsNotHeardWhileTheFirstSpeaks) {
  for (std::uint16_t i = 0; i < 50; ++i) {
    a.session.on_packet(rtp(99, i), now);
    run(20ms);
  }
  EXPECT_EQ(a.metrics.other_source.value, 50U);
  EXPECT_EQ(a.session.statistics().packets_lost, 0);
  b.session.on_path_lost(now);
  run(limits::kSourceSilence + kWay);
  a.session.on_packet(rtp(99, 50), now);
  EXPECT_EQ(a.metrics.other_source.value, 50U);
}

TEST_F(Foreign, OurOwnNumberIsGivenUpButNotForever) {
  const std::uint32_t before = ssrc(a);
  a.session.on_packet(rtp(before, 1), now);
  run(100ms);
  EXPECT_NE(ssrc(a), before);
  EXPECT_EQ(b.metrics.other_source.value, 0U);  // BYE has made room
  for (int i = 0; i < 10; ++i) {                // a loop
    a.session.on_packet(rtp(ssrc(a), 1), now);
    run(40ms);
  }
  EXPECT_EQ(a.metrics.collisions.value, static_cast<std::uint64_t>(limits::kMaxCollisions));
  EXPECT_EQ(a.metrics.ours.value, 11U);
}

TEST_F(Foreign, TheEndOfALongPacketIsNotPlayed) {
  b.session.on_path_lost(now);
  run(1s);
  std::array<char, limits::kMaxPacket> to;
  const std::string loud(1400, '\x20');  // 175 ms
  const std::size_t size =
      write_rtp({.payload_type = 8, .sequence = 1, .timestamp = 1, .ssrc = 99, .payload = loud}, to);
  a.session.on_packet({to.data(), size}, now);
  run(1s);
  const test::Recording all = test::read_wav(folder.file("a.wav"));
  const auto after = all.seconds(1.5, 2.5);
  const auto heard_samples =
      std::ranges::count_if(after, [](std::int16_t sample) { return std::abs(int{sample}) > 3000; });
  EXPECT_NEAR(static_cast<double>(heard_samples) / all.rate, 0.12,
              0.045);  // and what is made up behind it fades
}

TEST_F(Foreign, TwiceAndFarAwayIsNotTaken) {
  const auto last = *parse_rtp(b.last);
  const std::string again(b.last);
  run(100ms);
  a.session.on_packet(again, now);
  EXPECT_EQ(a.metrics.twice.value, 1U);
  a.session.on_packet(rtp(last.ssrc, static_cast<std::uint16_t>(last.sequence + 20000)), now);
  EXPECT_EQ(a.metrics.jump.value, 1U);
}

TEST_F(Session, PlainPacketsInASecuredCallAreNotHeard) {
  a.session.on_packet(Foreign::rtp(5, 1), now);
  EXPECT_EQ(a.metrics.early.value, 1U);  // nothing has been agreed
  begin(Keying::dtls_srtp, "PCMA");
  run(500ms);
  const std::string good = b.outbox.front().second;
  for (std::uint16_t i = 0; i < 20; ++i) a.session.on_packet(Foreign::rtp(5, i), now);
  EXPECT_EQ(a.metrics.unauthentic.value, 20U);
  a.session.on_packet(good, now);
  a.session.on_packet(good, now);
  EXPECT_EQ(a.metrics.replayed.value, 1U);
  run(500ms);
  EXPECT_EQ(a.session.statistics().packets_lost, 0);
}

}  // namespace
}  // namespace causeway::ua
