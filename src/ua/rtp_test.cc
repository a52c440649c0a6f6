#include "ua/rtp.h"

#include <gtest/gtest.h>

#include <array>

#include "ua/dtmf.h"
#include "ua/limits.h"
#include "ua/rtcp.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

const base::Instant kStart{1'000'000ms};

TEST(Rtp, WhatIsWrittenIsRead) {
  std::array<char, 64> to;
  const std::size_t size = write_rtp({.payload_type = 96,
                                      .marker = true,
                                      .sequence = 0xfffe,
                                      .timestamp = 0x80000001,
                                      .ssrc = 7,
                                      .payload = "abc"},
                                     to);
  const auto packet = parse_rtp({to.data(), size});
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->payload_type, 96);
  EXPECT_TRUE(packet->marker);
  EXPECT_EQ(packet->sequence, 0xfffe);
  EXPECT_EQ(packet->timestamp, 0x80000001U);
  EXPECT_EQ(packet->ssrc, 7U);
  EXPECT_EQ(packet->payload, "abc");
  EXPECT_EQ(write_rtp(*packet, std::span(to).first(14)), 0U);
}

TEST(Rtp, SourcesExtensionsAndPaddingAreNoPayload) {
  const std::string head = "\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"s;
  const std::string all =
      "\xb1"s + head + "CSRC" + "\xbe\xde\x00\x01"s + "ext."s + "payload" + "\x00\x00\x03"s;
  const auto packet = parse_rtp(all);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->payload, "payload");
  EXPECT_EQ(packet->ssrc, 3U);
  EXPECT_FALSE(parse_rtp("\xb1"s + head + "CSRC" + "\xbe\xde\xff\xff"s));  // an extension beyond the end
  EXPECT_FALSE(parse_rtp("\xa0"s + head + "\x02"s));                       // more padding than there is
  EXPECT_FALSE(parse_rtp("\xa0"s + head + "\x00"s));                       // padding of nothing
  EXPECT_FALSE(parse_rtp("\x8f"s + head));                                 // fifteen CSRCs that are not there
  EXPECT_FALSE(parse_rtp("\x40"s + head));                                 // version 1
  EXPECT_FALSE(parse_rtp("\x80\x00"s));
}

TEST(Rtp, WhatAPortCarriesIsToldByTheFirstBytes) {
  EXPECT_EQ(kind_of(""), PacketKind::other);
  EXPECT_EQ(kind_of("\x00\x01"s), PacketKind::stun);
  EXPECT_EQ(kind_of("\x16\xfe"s), PacketKind::dtls);
  EXPECT_EQ(kind_of("\x80\x08"s), PacketKind::rtp);
  EXPECT_EQ(kind_of("\x80\x88"s), PacketKind::rtp);
  EXPECT_EQ(kind_of("\x80\xc8"s), PacketKind::rtcp);
  EXPECT_EQ(kind_of("\x40\x00"s), PacketKind::other);  // ChannelData
  EXPECT_EQ(kind_of("\xff\xff"s), PacketKind::other);
}

TEST(RtpSource, NumbersRunOnOverTheirEndAndLossesAreCounted) {
  RtpSource source(1, 65534, 8000);
  for (const int sequence : {65534, 65535, 0, 1, 4, 3})
    EXPECT_EQ(source.on_sequence(static_cast<std::uint16_t>(sequence)), RtpSource::Verdict::taken);
  EXPECT_EQ(source.extended(), 0x20003U);
  EXPECT_EQ(source.highest(), 0x20004U);
  EXPECT_EQ(source.lost(), 1);
  EXPECT_EQ(source.take_fraction_lost(), 256 / 7);
  EXPECT_EQ(source.take_fraction_lost(), 0);
  EXPECT_EQ(source.on_sequence(3), RtpSource::Verdict::twice);
  EXPECT_EQ(source.on_sequence(2), RtpSource::Verdict::taken);
  EXPECT_EQ(source.lost(), 0);
}

TEST(RtpSource, AJumpIsBelievedWhenItGoesOn) {
  RtpSource source(1, 100, 8000);
  source.on_sequence(100);
  EXPECT_EQ(source.on_sequence(30000), RtpSource::Verdict::jump);
  EXPECT_EQ(source.on_sequence(101), RtpSource::Verdict::taken);
  EXPECT_EQ(source.on_sequence(30001), RtpSource::Verdict::jump);
  EXPECT_EQ(source.on_sequence(30002), RtpSource::Verdict::restarted);
  EXPECT_EQ(source.on_sequence(30003), RtpSource::Verdict::taken);
  EXPECT_EQ(source.lost(), 0);
}

TEST(RtpSource, JitterIsThatOfTheStandard) {
  RtpSource source(1, 0, 8000);
  base::Instant now = kStart;
  std::uint32_t timestamp = 0;
  for (int i = 0; i < 500; ++i) {  // every other packet 10 ms late
    source.on_arrival(timestamp, now + (i % 2 ? 10ms : 0ms));
    timestamp += 160;
    now += 20ms;
  }
  EXPECT_NEAR(static_cast<double>(source.jitter_time().count()), 10, 1);
  EXPECT_NEAR(source.jitter(), 80, 2);
}

TEST(Rtcp, ReportsAreWrittenAndRead) {
  std::array<char, limits::kMaxPacket> to;
  const ReportBlock block{.ssrc = 5,
                          .fraction_lost = 12,
                          .lost = -3,
                          .highest = 70000,
                          .jitter = 9,
                          .last_report = 0x1234,
                          .delay = 65536};
  const std::size_t size =
      write_rtcp({.ssrc = 4,
                  .info = SenderInfo{.ntp = 0x0000000100000002, .timestamp = 3, .packets = 4, .bytes = 5},
                  .block = block,
                  .cname = "name",
                  .bye = true},
                 to);
  const std::string_view packet(to.data(), size);
  EXPECT_EQ(kind_of(packet), PacketKind::rtcp);
  const auto report = parse_rtcp(packet, 5, 4);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->sender, 4U);
  ASSERT_TRUE(report->info && report->about_us);
  EXPECT_EQ(report->info->ntp, 0x0000000100000002U);
  EXPECT_EQ(report->info->bytes, 5U);
  EXPECT_EQ(report->about_us->lost, -3);
  EXPECT_EQ(report->about_us->highest, 70000U);
  EXPECT_EQ(report->about_us->delay, 65536U);
  EXPECT_TRUE(report->bye);
  EXPECT_FALSE(report->names_us);
  EXPECT_TRUE(parse_rtcp(packet, 4, {})->names_us);
  EXPECT_FALSE(parse_rtcp(packet, 6, {})->about_us);
  for (std::size_t cut = 1; cut < size; ++cut)
    EXPECT_FALSE(cut % 4 != 0 && parse_rtcp(packet.substr(0, cut), 5, 4)) << cut;
}

TEST(Rtcp, SoManyItemsAreLookedAtAndNoMore) {
  const std::string empty_report = "\x80\xc9\x00\x01\x00\x00\x00\x09"s;
  std::string compound;
  for (std::size_t i = 0; i < limits::kMaxRtcpItems; ++i) compound += empty_report;
  EXPECT_TRUE(parse_rtcp(compound, 1, {}));
  EXPECT_FALSE(parse_rtcp(compound + empty_report, 1, {}));
}

TEST(Dtmf, EachKeyIsHeardOnceWhateverIsLost) {
  for (unsigned lost = 0; lost < 8; ++lost) {
    DtmfSender sender;
    DtmfReceiver receiver;
    ASSERT_TRUE(sender.add("1 9*#ad"));
    std::string heard;
    std::uint32_t timestamp = 0, of_event = 0;
    unsigned packets = 0;
    for (int frame = 0; frame < 100; ++frame, timestamp += 160) {
      const auto packet = sender.next(160);
      if (!packet) continue;
      if (packet->first) of_event = timestamp;
      char bytes[kTelephoneEvent];
      write_telephone_event(packet->event, bytes);
      const auto event = parse_telephone_event({bytes, sizeof bytes});
      ASSERT_TRUE(event);
      EXPECT_EQ(event->end, packet->event.end);
      if (packets++ % 7 == lost) continue;
      if (const auto digit = receiver.on_packet(*event, of_event)) heard += *digit;
    }
    EXPECT_EQ(heard, "19*#AD");
    EXPECT_EQ(packets, 6U * 7);
    EXPECT_TRUE(sender.is_idle());
  }
}

TEST(Dtmf, AToneLasts100MillisecondsAndEndsThreeTimes) {
  DtmfSender sender;
  sender.add("5");
  std::vector<TelephoneEvent> events;
  while (const auto packet = sender.next(160)) events.push_back(packet->event);
  ASSERT_EQ(events.size(), 7U);
  EXPECT_EQ(events[0].duration, 160);
  for (std::size_t i = 4; i < 7; ++i) {
    EXPECT_TRUE(events[i].end);
    EXPECT_EQ(events[i].duration, 800);
  }
  EXPECT_FALSE(events[3].end);
}

TEST(Dtmf, SoManyKeysWaitAndNoMore) {
  DtmfSender sender;
  EXPECT_TRUE(sender.add(std::string(limits::kMaxWaitingDigits, '1')));
  EXPECT_FALSE(sender.add("2"));
}

TEST(Dtmf, OtherEventsAreNoKeys) {
  DtmfReceiver receiver;
  EXPECT_FALSE(receiver.on_packet({.event = 36}, 1));
  EXPECT_FALSE(parse_telephone_event("abc"));
}

}  // namespace
}  // namespace causeway::ua
