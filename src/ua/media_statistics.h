// What the media of a call tells of itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "base/time.h"

namespace causeway::ua {

// Of one call, so far.
struct MediaStatistics {
  std::string codec;     // which is sent: "PCMA", "opus"; empty before
  bool secured = false;  // SRTP both ways
  std::string pair;      // the path: "relay 192.0.2.1:4 <-> srflx 198.51.100.7:9"; empty before
  std::uint64_t packets_sent = 0, bytes_sent = 0;          // RTP; bytes of payload (RFC 3550 6.4.1)
  std::uint64_t packets_received = 0, bytes_received = 0;  // the same, of accepted packets
  std::int64_t packets_lost = 0;                           // RFC 3550 A.3, of the present source
  std::uint64_t frames_concealed = 0;                      // 20 ms each, made up because nothing was there
  std::uint64_t packets_refused = 0;                       // for any reason
  base::Duration jitter{};                                 // RFC 3550 A.8
  base::Duration play_delay{};                             // put before what is heard, at present
  std::int32_t lost_there = 0;                             // of ours, as the other side says
  std::optional<base::Duration> round_trip;                // from its reports (RFC 3550 6.4.1)
  std::optional<base::Instant> first_packet;               // RTP with audio, the first accepted
  std::optional<base::Instant> first_audio;  // arrival of the first one with something to be heard in it
};

// Everything that is refused or left out, counted. Of one thread.
struct AudioMetrics {
  base::Counter &too_long, &foreign, &malformed, &early, &unauthentic, &replayed, &sources;  // refused
  base::Counter &ours, &other_source, &twice, &jump, &payload, &dtls;                        // refused
  base::Counter &late, &skipped, &full;                                                      // not played
  base::Counter &dtls_failed, &collisions, &digits, &record_failed, &frames_left_out;
  explicit AudioMetrics(base::Metrics& metrics);
};

// The same of its path (ice.h).
struct PathMetrics {
  base::Counter &no_path, &rate;                    // packets refused
  base::Counter &candidates_left_out, &candidates;  // of the other side
  base::Counter &not_found, &lost, &relays_lost;
  explicit PathMetrics(base::Metrics& metrics);
};

}  // namespace causeway::ua
