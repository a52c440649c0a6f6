// The sending half of a call: a frame every 20 ms out of a WAV file, silence after it, keys in between.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "ua/codec.h"
#include "ua/dtmf.h"
#include "ua/resample.h"
#include "ua/rtcp.h"
#include "ua/wav.h"

namespace causeway::ua {

class RtpSender {
 public:
  RtpSender(base::Random& random, std::optional<WavReader> play);

  // `telephone_event`: the payload type of keys, if the other side takes them. A change of the clock's rate
  // changes the SSRC too (RFC 7160 4.1).
  void set_codec(const CodecKind& kind, std::uint8_t payload_type,
                 std::optional<std::uint8_t> telephone_event);
  bool has_codec() const { return encoder_ != nullptr; }
  // A frame's time has come, whether it is sent or not: timestamps count time, sequence numbers count packets
  // (RFC 3550 5.1). Writes an RTP packet and returns its size; 0 if there is none.
  std::size_t frame(base::Instant now, bool sending, std::span<char> packet);
  // Time that has passed without frames.
  void leave_out(unsigned frames) { timestamp_ += frames * units(); }
  bool send_digits(std::string_view digits) { return dtmf_.add(digits); }

  std::uint32_t ssrc() const { return ssrc_; }
  void change_ssrc();
  // For a sender report of this moment; nothing if no packet has been sent under this SSRC.
  std::optional<SenderInfo> report(base::Instant now) const;
  std::uint64_t packets() const { return packets_; }  // under all SSRCs
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint32_t units() const { return kind_ ? static_cast<std::uint32_t>(kind_->frame()) : 0; }
  std::size_t audio(std::span<std::uint8_t> to);

  base::Random& random_;
  std::optional<WavReader> play_;
  std::optional<Resampler> resampler_;
  const CodecKind* kind_ = nullptr;
  std::uint8_t payload_type_ = 0;
  std::optional<std::uint8_t> telephone_event_;
  std::unique_ptr<Encoder> encoder_;
  DtmfSender dtmf_;
  std::uint32_t event_timestamp_ = 0;
  std::uint32_t ssrc_ = 0, timestamp_ = 0;
  std::uint16_t sequence_ = 0;
  bool resumed_ = true;  // the next packet is the first after a pause
  base::Instant last_frame_{};
  std::uint64_t packets_ = 0, bytes_ = 0;
  std::uint32_t packets_of_ssrc_ = 0, bytes_of_ssrc_ = 0;
};

}  // namespace causeway::ua
