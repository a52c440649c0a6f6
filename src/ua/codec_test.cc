#include "ua/codec.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"
#include "ua/limits.h"
#include "ua/offer_answer.h"
#include "ua/resample.h"
#include "ua/tones_for_test.h"

namespace causeway::ua {
namespace {

using test::amplitude_of;
using test::tone;

// What an encoder and its decoder make of samples, frame by frame.
std::vector<std::int16_t> through(const CodecKind& kind, std::span<const std::int16_t> samples) {
  const auto encoder = make_encoder(kind);
  const auto decoder = make_decoder(kind);
  std::vector<std::int16_t> heard;
  for (std::size_t at = 0; at + kind.frame() <= samples.size(); at += kind.frame()) {
    std::array<std::uint8_t, limits::kMaxEncoded> payload;
    std::array<std::int16_t, 960> frame;
    const std::size_t size = encoder->encode(samples.subspan(at, kind.frame()), payload);
    EXPECT_GT(size, 0U);
    const std::size_t count = decoder->decode(std::span(payload).first(size), frame);
    EXPECT_EQ(count, kind.frame());
    heard.insert(heard.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return heard;
}

// Values of ITU-T G.711 tables 1a to 2b, as bytes on the wire.
TEST(G711, TheTablesOfTheStandard) {
  EXPECT_EQ(to_alaw(0), 0xd5);
  EXPECT_EQ(to_ulaw(0), 0xff);
  EXPECT_EQ(to_alaw(32767), 0xaa);
  EXPECT_EQ(to_alaw(-32768), 0x2a);
  EXPECT_EQ(to_ulaw(32767), 0x80);
  EXPECT_EQ(to_ulaw(-32768), 0x00);
  EXPECT_EQ(from_alaw(0xd5), 8);
  EXPECT_EQ(from_alaw(0x55), -8);
  EXPECT_EQ(from_alaw(0xaa), 32256);
  EXPECT_EQ(from_ulaw(0xff), 0);
  EXPECT_EQ(from_ulaw(0x7f), 0);
  EXPECT_EQ(from_ulaw(0x80), 32124);
  EXPECT_EQ(from_ulaw(0x00), -32124);
}

TEST(G711, EveryCodeComesBackAndErrorsGrowWithTheSample) {
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(to_alaw(from_alaw(static_cast<std::uint8_t>(code))), code);
    const int same = code == 0x7f ? 0xff : code;  // minus nothing is nothing
    EXPECT_EQ(to_ulaw(from_ulaw(static_cast<std::uint8_t>(code))), same);
  }
  for (int sample = -32768; sample <= 32767; ++sample) {
    const auto s = static_cast<std::int16_t>(sample);
    ASSERT_LE(std::abs(from_alaw(to_alaw(s)) - sample), std::max(16, std::abs(sample) / 16)) << sample;
    ASSERT_LE(std::abs(from_ulaw(to_ulaw(s)) - sample), std::max(8, std::abs(sample) / 16)) << sample;
  }
}

TEST(Codec, AToneIsTheSameToneBehindEachOfThem) {
  for (const char* name : {"PCMA", "PCMU", "opus"}) {
    const CodecKind* kind = find_codec(name);
    ASSERT_TRUE(kind);
    const auto heard = through(*kind, tone(kind->rate, 440, 1));
    EXPECT_NEAR(amplitude_of(heard, kind->rate, 440), 8000, 800) << name;
    EXPECT_LT(amplitude_of(heard, kind->rate, 880), 400) << name;
  }
}

TEST(Codec, NamesInEitherCaseWithTheirClock) {
  EXPECT_EQ(find_codec("OPUS"), find_codec("opus"));
  EXPECT_EQ(find_codec("G729"), nullptr);
  EXPECT_EQ(find_codec(Payload{.number = 8, .name = "pcma", .rate = 8000}), find_codec("PCMA"));
  EXPECT_EQ(find_codec(Payload{.number = 8, .name = "PCMA", .rate = 16000}), nullptr);
}

TEST(Codec, SilenceIsSilentOnTheWire) {
  const std::vector<std::int16_t> silence(160);
  std::array<std::uint8_t, limits::kMaxEncoded> payload;
  ASSERT_EQ(make_g711_encoder(true)->encode(silence, payload), 160U);
  EXPECT_EQ(payload[159], 0xd5);
}

TEST(Codec, GarbageIsDecodedIntoAnythingButNotBeyondTheRoom) {
  base::Random random(7);
  std::array<std::uint8_t, limits::kMaxPacket> bytes;
  std::array<std::int16_t, 5760> samples;
  for (const char* name : {"PCMA", "opus"}) {
    const auto decoder = make_decoder(*find_codec(name));
    for (int i = 0; i < 2000; ++i) {
      random.fill(bytes);
      const std::size_t size = random.below(bytes.size() + 1);
      EXPECT_LE(decoder->decode(std::span(bytes).first(size), samples), samples.size());
      decoder->conceal(std::span(bytes).first(random.below(100)),
                       std::span(samples).first(i % 2 ? 960 : 160));
    }
  }
}

TEST(Codec, WhatIsLostFadesAndInOpusIsRepairedByTheNext) {
  const auto samples = tone(48000, 440, 0.4);
  const auto encoder = make_opus_encoder();
  std::vector<std::vector<std::uint8_t>> packets;
  for (std::size_t at = 0; at < samples.size(); at += 960) {
    std::array<std::uint8_t, limits::kMaxEncoded> payload;
    const std::size_t size = encoder->encode(std::span(samples).subspan(at, 960), payload);
    packets.emplace_back(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size));
  }
  const auto decoder = make_opus_decoder();
  std::array<std::int16_t, 960> frame;
  for (int i = 0; i < 10; ++i) decoder->decode(packets[static_cast<std::size_t>(i)], frame);
  decoder->conceal(packets[11], frame);
  EXPECT_GT(amplitude_of(frame, 48000, 440), 4000);

  const auto g711 = make_g711_decoder(true);
  std::vector<std::uint8_t> loud(160, to_alaw(8000));
  std::array<std::int16_t, 160> heard;
  g711->decode(loud, heard);
  for (int i = 0; i < 12; ++i) g711->conceal({}, heard);
  EXPECT_LT(test::loudness(heard), 10);
}

TEST(Resampler, ATonePassesInEveryDirectionAndItsMirrorDoesNot) {
  for (const auto& [from, to] : {std::pair{8000U, 48000U},
                                 {8000U, 16000U},
                                 {16000U, 48000U},
                                 {48000U, 8000U},
                                 {16000U, 8000U},
                                 {48000U, 16000U},
                                 {8000U, 8000U}}) {
    Resampler resampler(from, to);
    const auto samples = tone(from, 880, 1);
    std::vector<std::int16_t> out(to);
    for (std::size_t frame = 0; frame < 50; ++frame)
      resampler.process(std::span(samples).subspan(frame * (from / 50), from / 50),
                        std::span(out).subspan(frame * (to / 50), to / 50));
    EXPECT_NEAR(amplitude_of(out, to, 880), 8000, 200) << from << " " << to;
    const double mirror = from - 880.0;
    EXPECT_LT(to > from ? amplitude_of(out, to, mirror) : 0, 80) << from << " " << to;
  }
  // 7 kHz has no place in 8,000 samples a second, and must not come back as 1 kHz.
  Resampler down(48000, 8000);
  const auto high = tone(48000, 7000, 1);
  std::vector<std::int16_t> out(8000);
  for (std::size_t frame = 0; frame < 50; ++frame)
    down.process(std::span(high).subspan(frame * 960, 960), std::span(out).subspan(frame * 160, 160));
  EXPECT_LT(amplitude_of(out, 8000, 1000), 80);
}

}  // namespace
}  // namespace causeway::ua
