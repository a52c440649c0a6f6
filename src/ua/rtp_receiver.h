// The receiving half of a call: packets of one source, in order, decoded, recorded 20 ms at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "ua/codec.h"
#include "ua/dtmf.h"
#include "ua/jitter.h"
#include "ua/offer_answer.h"
#include "ua/resample.h"
#include "ua/rtcp.h"
#include "ua/rtp.h"
#include "ua/wav.h"

namespace causeway::ua {

class RtpReceiver {
 public:
  RtpReceiver(AudioMetrics& metrics, std::optional<WavWriter> record);

  void set_payloads(const std::vector<Payload>& payloads);
  // A key that the packet says for the first time. `refused` counts what is not taken.
  std::optional<char> on_packet(const RtpPacket& packet, base::Instant now, std::uint64_t& refused);
  // 20 ms have passed. `hearing`: what waits is played; else silence is, and nothing waits.
  void frame(base::Instant now, bool hearing);

  // Sender reports of the source, for the reports about it.
  void on_sender_report(std::uint32_t sender, const SenderInfo& info, base::Instant now);
  void on_bye(std::uint32_t sender);
  std::optional<std::uint32_t> ssrc() const;
  // About the source, of what came since the last call.
  std::optional<ReportBlock> take_report(base::Instant now);
  void fill(MediaStatistics& statistics) const;
  std::optional<base::Instant> first_audio() const { return first_audio_; }

 private:
  struct Known {  // a payload type that may come
    Payload payload;
    const CodecKind* kind;  // null: telephone-event
    std::unique_ptr<Decoder> decoder;
  };
  Known* find(std::uint8_t payload_type);
  bool accept_source(const RtpPacket& packet, unsigned clock_rate, base::Instant now);
  void play(base::Instant now);
  void decode(const JitterBuffer::Packet& packet);
  void record(bool hearing);

  AudioMetrics& metrics_;
  std::optional<WavWriter> record_;
  std::optional<Resampler> resampler_;
  unsigned resampler_from_ = 0;
  std::vector<Known> known_;
  std::optional<RtpSource> source_;
  bool replaceable_ = false;  // the source has said BYE, or what may come has been agreed anew
  base::Instant last_packet_{};
  std::optional<JitterBuffer> waiting_;
  Known* playing_ = nullptr;           // whose samples are in samples_
  std::vector<std::int16_t> samples_;  // decoded and not yet played
  DtmfReceiver dtmf_;
  std::uint64_t packets_ = 0, bytes_ = 0, concealed_ = 0;
  std::optional<base::Instant> first_packet_, first_audio_;
  std::uint32_t last_report_ = 0;
  base::Instant last_report_at_{};
};

}  // namespace causeway::ua
