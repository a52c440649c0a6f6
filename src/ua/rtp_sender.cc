#include "ua/rtp_sender.h"

#include <algorithm>
#include <array>

#include "ua/limits.h"
#include "ua/rtp.h"

namespace causeway::ua {

RtpSender::RtpSender(base::Random& random, std::optional<WavReader> play)
    : random_(random), play_(std::move(play)) {
  // RFC 3550 5.1: all three begin anywhere.
  sequence_ = static_cast<std::uint16_t>(random_.u64());
  timestamp_ = static_cast<std::uint32_t>(random_.u64());
  change_ssrc();
}

void RtpSender::change_ssrc() {
  ssrc_ = static_cast<std::uint32_t>(random_.u64());
  packets_of_ssrc_ = bytes_of_ssrc_ = 0;
}

void RtpSender::set_codec(const CodecKind& kind, std::uint8_t payload_type,
                          std::optional<std::uint8_t> telephone_event) {
  payload_type_ = payload_type;
  telephone_event_ = telephone_event;
  if (kind_ == &kind) return;
  if (kind_ && kind_->rate != kind.rate) change_ssrc();
  kind_ = &kind;
  encoder_ = make_encoder(kind);
  if (play_) resampler_.emplace(play_->rate(), kind.rate);
}

std::size_t RtpSender::audio(std::span<std::uint8_t> to) {
  std::array<std::int16_t, 960> read{}, frame{};  // silence, where the file does not reach
  const std::span<std::int16_t> samples = std::span(frame).first(kind_->frame());
  if (play_) {
    const std::size_t wanted = play_->rate() / 50;
    if (play_->read(std::span(read).first(wanted)) == 0) play_.reset();
    resampler_->process(std::span(read).first(wanted), samples);
  }
  return encoder_->encode(samples, to);
}

std::size_t RtpSender::frame(base::Instant now, bool sending, std::span<char> packet) {
  if (!encoder_) return 0;
  last_frame_ = now;
  timestamp_ += units();
  if (!sending) {
    resumed_ = true;
    return 0;
  }
  std::array<std::uint8_t, limits::kMaxEncoded> payload;
  RtpPacket out{.payload_type = payload_type_,
                .marker = resumed_,
                .sequence = sequence_,
                .timestamp = timestamp_,
                .ssrc = ssrc_};
  std::size_t size = 0;
  if (const auto event = telephone_event_ ? dtmf_.next(units()) : std::nullopt) {
    if (event->first) event_timestamp_ = timestamp_;
    out.payload_type = *telephone_event_;
    out.marker = event->first;
    out.timestamp = event_timestamp_;
    write_telephone_event(event->event, reinterpret_cast<char*>(payload.data()));
    size = kTelephoneEvent;
  } else {
    size = audio(payload);
    if (size == 0) return 0;
  }
  out.payload = {reinterpret_cast<const char*>(payload.data()), size};
  resumed_ = false;
  ++sequence_;
  ++packets_, ++packets_of_ssrc_;
  bytes_ += size;
  bytes_of_ssrc_ += static_cast<std::uint32_t>(size);
  return write_rtp(out, packet);
}

std::optional<SenderInfo> RtpSender::report(base::Instant now) const {
  if (packets_of_ssrc_ == 0) return std::nullopt;
  const auto since = static_cast<std::uint32_t>((now - last_frame_).count()) * (kind_->rate / 1000);
  return SenderInfo{.ntp = ntp_time(now),
                    .timestamp = timestamp_ + since,
                    .packets = packets_of_ssrc_,
                    .bytes = bytes_of_ssrc_};
}

}  // namespace causeway::ua
