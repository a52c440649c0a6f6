#include "ua/rtp.h"

#include <algorithm>
#include <cmath>

#include "stun/message.h"
#include "stun/writer.h"

namespace causeway::ua {
namespace {

using stun::read_u16;
using stun::read_u32;

constexpr unsigned kVersion = 2;
// RFC 3550 A.1: so far ahead is still a gap, so far behind still out of order.
constexpr std::int32_t kDropout = 3000;
constexpr std::int32_t kMisorder = 64;  // as far as seen_ reaches

unsigned byte(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

}  // namespace

PacketKind kind_of(std::string_view packet) {
  if (packet.empty()) return PacketKind::other;
  const unsigned first = byte(packet, 0);
  if (first < 4) return PacketKind::stun;
  if (first >= 20 && first < 64) return PacketKind::dtls;
  if (first < 128 || first > 191 || packet.size() < 2) return PacketKind::other;
  const unsigned type = byte(packet, 1);
  return type >= 192 && type <= 223 ? PacketKind::rtcp : PacketKind::rtp;
}

std::optional<RtpPacket> parse_rtp(std::string_view packet) {
  if (packet.size() < kRtpHeader || byte(packet, 0) >> 6 != kVersion) return std::nullopt;
  std::size_t begin = kRtpHeader + 4 * (byte(packet, 0) & 15U);
  if (byte(packet, 0) & 0x10U) {  // an extension (RFC 3550 5.3.1)
    if (packet.size() < begin + 4) return std::nullopt;
    begin += 4 + 4 * std::size_t{read_u16(packet, begin + 2)};
  }
  std::size_t end = packet.size();
  if (begin > end) return std::nullopt;
  if (byte(packet, 0) & 0x20U) {
    const std::size_t padding = byte(packet, end - 1);
    if (padding == 0 || padding > end - begin) return std::nullopt;
    end -= padding;
  }
  return RtpPacket{.payload_type = static_cast<std::uint8_t>(byte(packet, 1) & 0x7f),
                   .marker = (byte(packet, 1) & 0x80) != 0,
                   .sequence = read_u16(packet, 2),
                   .timestamp = read_u32(packet, 4),
                   .ssrc = read_u32(packet, 8),
                   .payload = packet.substr(begin, end - begin)};
}

std::size_t write_rtp(const RtpPacket& packet, std::span<char> to) {
  if (to.size() < kRtpHeader + packet.payload.size()) return 0;
  to[0] = static_cast<char>(kVersion << 6);
  to[1] = static_cast<char>((packet.marker ? 0x80 : 0) | packet.payload_type);
  stun::write_u16(&to[2], packet.sequence);
  stun::write_u32(&to[4], packet.timestamp);
  stun::write_u32(&to[8], packet.ssrc);
  std::copy(packet.payload.begin(), packet.payload.end(), to.begin() + kRtpHeader);
  return kRtpHeader + packet.payload.size();
}

RtpSource::RtpSource(std::uint32_t ssrc, std::uint16_t first, unsigned clock_rate)
    : ssrc_(ssrc), clock_rate_(clock_rate) {
  begin(first);
  received_ = 0;  // on_sequence(first) comes next
  seen_ = 0;
}

void RtpSource::begin(std::uint16_t sequence) {
  // One cycle ahead, so that what was sent before the first has a number too.
  base_ = highest_ = extended_ = 0x10000U + sequence;
  seen_ = 1;
  received_ = 1;
  expected_before_ = received_before_ = 0;
  after_jump_.reset();
}

RtpSource::Verdict RtpSource::on_sequence(std::uint16_t sequence) {
  const std::int32_t ahead = static_cast<std::int16_t>(sequence - static_cast<std::uint16_t>(highest_));
  if (ahead > kDropout || ahead <= -kMisorder) {
    if (after_jump_ == sequence) {
      begin(sequence);
      transit_.reset();
      return Verdict::restarted;
    }
    after_jump_ = static_cast<std::uint16_t>(sequence + 1);
    return ahead > 0 ? Verdict::jump : Verdict::twice;
  }
  if (ahead > 0) {
    seen_ = ahead < 64 ? seen_ << ahead | 1 : 1;
    highest_ += static_cast<unsigned>(ahead);
    extended_ = highest_;
  } else {
    const std::uint64_t bit = std::uint64_t{1} << -ahead;
    if (seen_ & bit) return Verdict::twice;
    seen_ |= bit;
    extended_ = highest_ - static_cast<unsigned>(-ahead);
    base_ = std::min(base_, extended_);
  }
  ++received_;
  after_jump_.reset();
  return Verdict::taken;
}

void RtpSource::set_clock_rate(unsigned rate) {
  if (rate == clock_rate_) return;
  clock_rate_ = rate;
  jitter_ = 0;
  transit_.reset();
}

void RtpSource::on_arrival(std::uint32_t timestamp, base::Instant now) {
  const auto arrival = static_cast<std::uint32_t>(now.time_since_epoch().count() * (clock_rate_ / 1000));
  const auto transit = static_cast<std::int32_t>(arrival - timestamp);
  if (transit_) {
    // A pause of the sender whose timestamps stood still is no jitter of the path.
    const double difference = std::abs(static_cast<double>(static_cast<std::int32_t>(
        static_cast<std::uint32_t>(transit) - static_cast<std::uint32_t>(*transit_))));
    jitter_ += (std::min(difference, static_cast<double>(clock_rate_)) - jitter_) / 16;
  }
  transit_ = transit;
}

std::int64_t RtpSource::lost() const {
  return static_cast<std::int64_t>(expected()) - static_cast<std::int64_t>(received_);
}

std::uint8_t RtpSource::take_fraction_lost() {
  const auto expected_now = static_cast<std::int64_t>(expected() - expected_before_);
  const auto lost_now = expected_now - static_cast<std::int64_t>(received_ - received_before_);
  expected_before_ = expected();
  received_before_ = received_;
  if (expected_now <= 0 || lost_now <= 0) return 0;
  return static_cast<std::uint8_t>(std::min<std::int64_t>(lost_now * 256 / expected_now, 255));
}

base::Duration RtpSource::jitter_time() const {
  return base::Duration(static_cast<std::int64_t>(jitter_ * 1000 / clock_rate_));
}

}  // namespace causeway::ua
