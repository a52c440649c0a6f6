// RTCP (RFC 3550 6): compound packets of a sender or receiver report, the name of the source, and BYE.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/time.h"

namespace causeway::ua {

// What one side says about how it receives the other (RFC 3550 6.4.1).
struct ReportBlock {
  std::uint32_t ssrc = 0;  // whose packets
  std::uint8_t fraction_lost = 0;
  std::int32_t lost = 0;  // 24 bits, signed
  std::uint32_t highest = 0;
  std::uint32_t jitter = 0;
  std::uint32_t last_report = 0;  // the middle of the NTP time of the last SR; 0: none came
  std::uint32_t delay = 0;        // since then, in 65536ths of a second
};

// What a sender says about itself.
struct SenderInfo {
  std::uint64_t ntp = 0;
  std::uint32_t timestamp = 0, packets = 0, bytes = 0;
};

// Of a compound packet, what concerns one call.
struct RtcpReport {
  std::uint32_t sender = 0;  // of the first report
  std::optional<SenderInfo> info;
  std::optional<ReportBlock> about_us;  // the last block about the SSRC that was asked for
  bool names_us = false;                // a report, SDES or BYE bears our own SSRC as its source: a collision
  bool bye = false;                     // of `sender`, or of the source that was asked for
};

// Nothing if it is not a valid compound packet (RFC 3550 A.2; the first may be of reduced size, RFC 5506).
// `ours` and `theirs`: the SSRCs that are looked for.
std::optional<RtcpReport> parse_rtcp(std::string_view packet, std::uint32_t ours,
                                     std::optional<std::uint32_t> theirs);

struct RtcpToSend {
  std::uint32_t ssrc = 0;
  std::optional<SenderInfo> info;  // a sender report, or a receiver's
  std::optional<ReportBlock> block;
  std::string_view cname;  // at most 255 characters
  bool bye = false;
};
// The length; 0 if `to` is too short (limits::kMaxPacket is enough).
std::size_t write_rtcp(const RtcpToSend& packet, std::span<char> to);

// 32.32 bits of seconds since 1900 (RFC 3550 4), of a clock that only has to run evenly.
std::uint64_t ntp_time(base::Instant now);
inline std::uint32_t ntp_middle(std::uint64_t ntp) { return static_cast<std::uint32_t>(ntp >> 16); }

}  // namespace causeway::ua
