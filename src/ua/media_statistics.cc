#include "ua/media_statistics.h"

namespace causeway::ua {
namespace {

base::Counter& refused(base::Metrics& metrics, const char* name) {
  return metrics.counter(name, "media packets that were refused");
}
base::Counter& unplayed(base::Metrics& metrics, const char* name) {
  return metrics.counter(name, "audio packets that were not played");
}

}  // namespace

AudioMetrics::AudioMetrics(base::Metrics& m)
    : too_long(refused(m, "ua_packets_refused_total{reason=\"too long\"}")),
      foreign(refused(m, "ua_packets_refused_total{reason=\"foreign\"}")),
      malformed(refused(m, "ua_packets_refused_total{reason=\"malformed\"}")),
      early(refused(m, "ua_packets_refused_total{reason=\"early\"}")),
      unauthentic(refused(m, "ua_packets_refused_total{reason=\"unauthentic\"}")),
      replayed(refused(m, "ua_packets_refused_total{reason=\"replayed\"}")),
      sources(refused(m, "ua_packets_refused_total{reason=\"too many sources\"}")),
      ours(refused(m, "ua_packets_refused_total{reason=\"our own\"}")),
      other_source(refused(m, "ua_packets_refused_total{reason=\"other source\"}")),
      twice(refused(m, "ua_packets_refused_total{reason=\"twice\"}")),
      jump(refused(m, "ua_packets_refused_total{reason=\"jump\"}")),
      payload(refused(m, "ua_packets_refused_total{reason=\"payload\"}")),
      dtls(refused(m, "ua_packets_refused_total{reason=\"dtls\"}")),
      late(unplayed(m, "ua_audio_unplayed_total{reason=\"late\"}")),
      skipped(unplayed(m, "ua_audio_unplayed_total{reason=\"skipped\"}")),
      full(unplayed(m, "ua_audio_unplayed_total{reason=\"full\"}")),
      dtls_failed(m.counter("ua_dtls_failed_total", "DTLS handshakes that have failed")),
      collisions(m.counter("ua_ssrc_collisions_total", "own SSRCs given up because somebody else had them")),
      digits(m.counter("ua_digits_refused_total", "requests to send more keys than may wait")),
      record_failed(m.counter("ua_recordings_cut_total", "recordings that ended before their call")),
      frames_left_out(
          m.counter("ua_frames_left_out_total", "frames not sent because this machine was late")) {}

PathMetrics::PathMetrics(base::Metrics& m)
    : no_path(refused(m, "ua_packets_refused_total{reason=\"no path\"}")),
      rate(refused(m, "ua_packets_refused_total{reason=\"rate\"}")),
      candidates_left_out(m.counter("ua_candidates_refused_total{reason=\"too many\"}",
                                    "candidates of the other side that are not used")),
      candidates(m.counter("ua_candidates_refused_total{reason=\"malformed\"}",
                           "candidates of the other side that are not used")),
      not_found(
          m.counter("ua_paths_not_found_total", "descriptions exchanged that led to no path for media")),
      lost(m.counter("ua_paths_lost_total",
                     "paths given up because the other side did not answer any more (RFC 7675)")),
      relays_lost(m.counter("ua_relays_lost_total", "relays in use that did not answer any more")) {}

}  // namespace causeway::ua
