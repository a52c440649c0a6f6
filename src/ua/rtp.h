// RTP packets (RFC 3550 5.1), and what a stream of them says about its path (RFC 3550 A).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/time.h"

namespace causeway::ua {

// What a datagram on a port with everything on it is, by its first byte (RFC 7983 7, RFC 5761 4).
enum class PacketKind : std::uint8_t { stun, dtls, rtp, rtcp, other };
PacketKind kind_of(std::string_view packet);

struct RtpPacket {
  std::uint8_t payload_type = 0;
  bool marker = false;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t ssrc = 0;
  std::string_view payload;  // in the packet; without CSRCs, extension and padding
};

// Nothing if it is not a whole RTP packet (RFC 3550 A.1).
std::optional<RtpPacket> parse_rtp(std::string_view packet);

inline constexpr std::size_t kRtpHeader = 12;
// Writes it, its payload too. 0 if `to` is too short.
std::size_t write_rtp(const RtpPacket& packet, std::span<char> to);

// The sequence numbers of one source (RFC 3550 A.1, A.3), and its jitter (A.8).
class RtpSource {
 public:
  RtpSource(std::uint32_t ssrc, std::uint16_t first, unsigned clock_rate);

  std::uint32_t ssrc() const { return ssrc_; }
  enum class Verdict : std::uint8_t {
    taken,
    twice,      // seen already, or older than can be told
    jump,       // far from what came before: not taken, unless the next one follows it
    restarted,  // it did follow: the source has begun anew
  };
  Verdict on_sequence(std::uint16_t sequence);
  // The sequence number of what was taken last, with its cycles.
  std::uint64_t extended() const { return extended_; }
  void on_arrival(std::uint32_t timestamp, base::Instant now);
  // Timestamps count in another clock from here on.
  void set_clock_rate(unsigned rate);

  std::uint32_t highest() const { return static_cast<std::uint32_t>(highest_); }
  std::int64_t lost() const;  // so far; negative if there were more duplicates
  // Of those expected since the last call, in 256ths (RFC 3550 6.4.1); for one report each.
  std::uint8_t take_fraction_lost();
  std::uint32_t jitter() const { return static_cast<std::uint32_t>(jitter_); }  // in units of the clock
  base::Duration jitter_time() const;

 private:
  void begin(std::uint16_t sequence);
  std::uint64_t expected() const { return highest_ - base_ + 1; }

  std::uint32_t ssrc_;
  unsigned clock_rate_;
  std::uint64_t base_ = 0, highest_ = 0, extended_ = 0;
  std::uint64_t seen_ = 0;  // bit i: highest_ - i was there
  std::uint64_t received_ = 0;
  std::uint64_t expected_before_ = 0, received_before_ = 0;
  std::optional<std::uint16_t> after_jump_;
  std::optional<std::int32_t> transit_;
  double jitter_ = 0;
};

}  // namespace causeway::ua
