// Puts packets in order and decides when each is played (adaptive play-out delay).
//
// Time here is the sender's: RTP timestamps. The listener asks every 20 ms for what is due. The first packet
// waits for the delay, then the play-out point moves on with what is taken, whether a packet was there or
// not. A packet that comes too late is played all the same if nothing after it was, and all that follows
// that much later. The delay follows the path: it is four times the jitter (RFC 3550 A.8) and a frame, and a
// frame more for a while each time that packets came too late. With more waiting than that for a second (the
// sender's clock is faster, or the path has become better), a packet is left out; with nothing left to play
// for three frames, play-out begins anew.
//
// Bounded: limits::kMaxWaitingPackets, each of limits::kMaxPacket bytes at most.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "ua/media_statistics.h"

namespace causeway::ua {

class JitterBuffer {
 public:
  struct Packet {
    std::uint8_t payload_type = 0;
    std::uint32_t timestamp = 0;
    base::Instant arrival;
    std::string payload;
  };
  JitterBuffer(unsigned clock_rate, AudioMetrics& metrics) : clock_rate_(clock_rate), metrics_(metrics) {}

  // `sequence`: with its cycles (RtpSource::extended).
  void put(std::uint64_t sequence, Packet packet, base::Duration jitter);

  enum class Due : std::uint8_t {
    packet,   // `packet` is to be played; then played() says how long it was
    missing,  // one was lost: conceal, a frame long
    nothing,  // the sender has paused, or there is nothing yet: silence, a frame long
  };
  // What is due at the play-out point. For missing and nothing the point moves on by a frame of `frame`
  // timestamp units.
  Due take(base::Instant now, std::uint32_t frame, Packet& packet);
  void played(std::uint32_t timestamp_units) { point_ += timestamp_units; }
  // After Due::missing: the packet that follows what is missing, if it is there.
  const Packet* following() const;

  // Packets from another source, or a jump of the same one.
  void clear();
  unsigned clock_rate() const { return clock_rate_; }
  base::Duration delay() const { return delay_; }

 private:
  void adapt(base::Instant now, std::uint32_t frame);
  bool may_begin(base::Instant now) const;
  base::Duration waiting() const;  // from the play-out point to the newest packet
  std::int64_t ahead(std::uint32_t timestamp) const { return static_cast<std::int32_t>(timestamp - point_); }
  Due silence(std::uint32_t frame);

  unsigned clock_rate_;
  AudioMetrics& metrics_;
  std::map<std::uint64_t, Packet> packets_;
  bool playing_ = false;
  std::uint32_t point_ = 0;  // timestamp of what is played next
  std::uint64_t last_taken_ = 0;
  int empty_frames_ = 0;  // in a row
  base::Duration delay_ = kStartDelay, jitter_{}, extra_{};
  base::Instant extra_since_{}, window_begin_{};
  base::Duration least_waiting_ = base::Duration::max();  // in this window

  static constexpr base::Duration kStartDelay{60};
};

}  // namespace causeway::ua
