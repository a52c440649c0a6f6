// The audio of one call: RTP and RTCP on one port (RFC 3550, 5761), SRTP by DTLS (RFC 5763, 5764), codec, WAV
// files, DTMF (RFC 4733). A state machine without sockets and without threads: packets and time go in,
// packets come out.
//
// A call: made when the call is, start() when both sides have said what they can, on_path() when packets may
// leave (with ICE: the other side consents). With DTLS the handshake comes first; then every 20 ms a frame of
// the WAV file leaves, and silence when it has ended, so that the NATs on the way keep their mappings. What
// comes is put in order (jitter.h), decoded, and recorded, 20 ms at a time, silence where nothing came.
//
//   AudioSession session(std::move(*setup), random, metrics, outside);
//   session.start(remote, now);  session.on_path(now);
//   each packet: session.on_packet(bytes, now);   at next_wake(): session.on_time(now);   at the end: stop()
//
// Nothing that comes is believed: every packet may be foreign, and each that is refused is counted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "ua/media_statistics.h"
#include "ua/offer_answer.h"
#include "ua/wav.h"

namespace causeway::ua {

class DtlsIdentity;

// What a session needs that can fail to come about: opened files.
struct AudioSetup {
  std::shared_ptr<const DtlsIdentity> identity;  // for DTLS-SRTP
  std::optional<WavReader> play;                 // played once, from the first frame that is sent
  std::optional<WavWriter> record;
  // Empty names: nothing is played or recorded. Recordings have 16,000 samples a second.
  static base::Result<AudioSetup> open(const std::string& play_wav, const std::string& record_wav);
};

class AudioSession {
 public:
  // What the session does to the world. Calls come from within the session's own functions.
  class Outside {
   public:
    virtual ~Outside() = default;
    virtual void send(std::string_view packet) = 0;
    virtual void on_dtmf(char digit) = 0;  // once for each key: 0-9 * # A-D
    virtual void on_secured() {}           // DTLS is done, SRTP begins
    virtual void on_first_audio() {}       // statistics().first_audio
    // DTLS has failed, or the other side has closed it: there will be no more media. `why` is a sentence.
    // Once.
    virtual void on_ended(std::string why) = 0;
  };

  AudioSession(AudioSetup setup, base::Random& random, AudioMetrics& metrics, Outside& outside);
  ~AudioSession();

  // What was agreed; again after every new offer and answer. Codecs, payload numbers and direction follow;
  // DTLS goes on unless the other side has a new fingerprint (RFC 5763 6.6).
  void start(const RemoteMedia& remote, base::Instant now);
  // Of this side (RFC 3264 5.1): with the other side's it says whether frames are sent and heard.
  void set_direction(Direction direction, base::Instant now);
  void on_path(base::Instant now);       // packets may leave; again after a new path
  void on_path_lost(base::Instant now);  // none may
  void on_packet(std::string_view packet, base::Instant now);
  void on_time(base::Instant now);
  // When on_time wants to be called; Instant::max() for never.
  base::Instant next_wake() const;
  // More keys, one after the other. Other characters than 0-9 * # A-D (either case) are passed over.
  void send_dtmf(std::string_view digits);
  // BYE (RFC 3550 6.6) and close_notify. Nothing is sent afterwards.
  void stop(base::Instant now);

  MediaStatistics statistics() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace causeway::ua
