#include "ua/rtp_receiver.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/encoding.h"
#include "ua/limits.h"

namespace causeway::ua {
namespace {

constexpr std::string_view kTelephoneEventName = "telephone-event";
// Louder than the noise of a codec that is given silence: -50 dB below the loudest.
constexpr int kAudible = 100;

bool is_audible(std::span<const std::int16_t> samples) {
  return std::ranges::any_of(samples, [](std::int16_t sample) { return std::abs(int{sample}) > kAudible; });
}

}  // namespace

RtpReceiver::RtpReceiver(AudioMetrics& metrics, std::optional<WavWriter> record)
    : metrics_(metrics), record_(std::move(record)) {}

void RtpReceiver::set_payloads(const std::vector<Payload>& payloads) {
  if (std::ranges::equal(known_, payloads, {}, &Known::payload)) return;
  std::vector<Known> known;
  for (const Payload& payload : payloads) {
    const bool keys = payload.is_same_codec({.name = std::string(kTelephoneEventName), .rate = payload.rate});
    const CodecKind* kind = keys ? nullptr : find_codec(payload);
    if (!keys && !kind) continue;
    Known* old = find(payload.number);
    known.push_back({payload, kind, old && old->kind == kind ? std::move(old->decoder) : nullptr});
  }
  known_ = std::move(known);
  replaceable_ = true;
  playing_ = nullptr;
  samples_.clear();
}

RtpReceiver::Known* RtpReceiver::find(std::uint8_t payload_type) {
  const auto at =
      std::ranges::find(known_, payload_type, [](const Known& one) { return one.payload.number; });
  return at == known_.end() ? nullptr : &*at;
}

bool RtpReceiver::accept_source(const RtpPacket& packet, unsigned clock_rate, base::Instant now) {
  if (source_ && source_->ssrc() == packet.ssrc) return true;
  if (source_ && !replaceable_ && now - last_packet_ < limits::kSourceSilence) return false;
  source_.emplace(packet.ssrc, packet.sequence, clock_rate);
  if (waiting_) waiting_->clear();
  dtmf_ = {};
  replaceable_ = false;
  last_report_ = 0;
  return true;
}

std::optional<char> RtpReceiver::on_packet(const RtpPacket& packet, base::Instant now,
                                           std::uint64_t& refused) {
  const auto refuse = [&refused](base::Counter& why) {
    ++why;
    ++refused;
    return std::nullopt;
  };
  Known* known = find(packet.payload_type);
  if (!known) return refuse(metrics_.payload);
  const unsigned rate = known->payload.rate;
  if (!accept_source(packet, rate, now)) return refuse(metrics_.other_source);
  const RtpSource::Verdict verdict = source_->on_sequence(packet.sequence);
  if (verdict == RtpSource::Verdict::twice) return refuse(metrics_.twice);
  if (verdict == RtpSource::Verdict::jump) return refuse(metrics_.jump);
  if (verdict == RtpSource::Verdict::restarted && waiting_) waiting_->clear();
  last_packet_ = now;
  ++packets_;
  bytes_ += packet.payload.size();
  if (!known->kind) {
    const auto event = parse_telephone_event(packet.payload);
    return event ? dtmf_.on_packet(*event, packet.timestamp) : std::nullopt;
  }
  if (!first_packet_) first_packet_ = now;
  source_->set_clock_rate(rate);
  source_->on_arrival(packet.timestamp, now);
  if (!waiting_ || waiting_->clock_rate() != rate) {
    waiting_.emplace(rate, metrics_);
    samples_.clear();
  }
  waiting_->put(source_->extended(),
                {packet.payload_type, packet.timestamp, now, std::string(packet.payload)},
                source_->jitter_time());
  return std::nullopt;
}

void RtpReceiver::decode(const JitterBuffer::Packet& packet) {
  Known* known = find(packet.payload_type);
  if (!known || !known->kind) return;  // payload types have changed while it waited
  if (!known->decoder) known->decoder = make_decoder(*known->kind);
  if (playing_ != known) samples_.clear();
  playing_ = known;
  const std::size_t before = samples_.size();
  samples_.resize(before +
                  known->kind->rate * static_cast<std::size_t>(limits::kMaxPacketTime.count()) / 1000);
  const std::size_t count = known->decoder ? known->decoder->decode(base::as_bytes(packet.payload),
                                                                    std::span(samples_).subspan(before))
                                           : 0;
  samples_.resize(before + count);
  // What cannot be decoded takes a frame's time all the same.
  waiting_->played(static_cast<std::uint32_t>(count ? count : known->kind->frame()));
  if (!first_audio_ && is_audible(std::span(samples_).subspan(before))) first_audio_ = packet.arrival;
}

void RtpReceiver::play(base::Instant now) {
  const auto unit = [this] { return static_cast<std::uint32_t>(waiting_->clock_rate() / 50); };
  JitterBuffer::Packet packet;
  // Packets of 10 ms: two are needed; what a loop can take is bounded by how many wait.
  while (samples_.size() < unit()) {
    const JitterBuffer::Due due = waiting_->take(now, unit(), packet);
    if (due == JitterBuffer::Due::packet) {
      decode(packet);
      continue;
    }
    const std::size_t before = samples_.size();
    samples_.resize(before + unit());
    if (due == JitterBuffer::Due::missing && playing_ && playing_->decoder &&
        playing_->kind->rate == waiting_->clock_rate()) {
      const JitterBuffer::Packet* next = waiting_->following();
      playing_->decoder->conceal(next && next->payload_type == playing_->payload.number
                                     ? base::as_bytes(next->payload)
                                     : std::span<const std::uint8_t>{},
                                 std::span(samples_).subspan(before));
      ++concealed_;
    }
    break;
  }
}

void RtpReceiver::frame(base::Instant now, bool hearing) {
  if (!waiting_) return record(false);
  if (hearing) {
    play(now);
    return record(true);
  }
  waiting_->clear();
  samples_.clear();
  record(false);
}

void RtpReceiver::record(bool hearing) {
  const unsigned rate = waiting_ ? waiting_->clock_rate() : 8000;
  const std::size_t size = rate / 50;
  std::array<std::int16_t, 960> heard{}, written{};
  if (hearing) {
    std::copy_n(samples_.begin(), size, heard.begin());
    samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(size));
  }
  if (!record_) return;
  if (!resampler_ || resampler_from_ != rate) {
    resampler_.emplace(rate, record_->rate());
    resampler_from_ = rate;
  }
  const auto out = std::span(written).first(record_->rate() / 50);
  resampler_->process(std::span(heard).first(size), out);
  if (record_->write(out)) return;
  ++metrics_.record_failed;
  record_.reset();
}

void RtpReceiver::on_sender_report(std::uint32_t sender, const SenderInfo& info, base::Instant now) {
  if (ssrc() != sender) return;
  last_report_ = ntp_middle(info.ntp);
  last_report_at_ = now;
}

void RtpReceiver::on_bye(std::uint32_t sender) {
  if (ssrc() == sender) replaceable_ = true;
}

std::optional<std::uint32_t> RtpReceiver::ssrc() const {
  return source_ ? std::optional(source_->ssrc()) : std::nullopt;
}

std::optional<ReportBlock> RtpReceiver::take_report(base::Instant now) {
  if (!source_) return std::nullopt;
  constexpr std::int64_t kMostLost = 0x7fffff, kLeastLost = -0x800000;
  const std::int64_t delay = last_report_ ? (now - last_report_at_).count() * 65536 / 1000 : 0;
  return ReportBlock{.ssrc = source_->ssrc(),
                     .fraction_lost = source_->take_fraction_lost(),
                     .lost = static_cast<std::int32_t>(std::clamp(source_->lost(), kLeastLost, kMostLost)),
                     .highest = source_->highest(),
                     .jitter = source_->jitter(),
                     .last_report = last_report_,
                     .delay = static_cast<std::uint32_t>(delay)};
}

void RtpReceiver::fill(MediaStatistics& statistics) const {
  statistics.packets_received = packets_;
  statistics.bytes_received = bytes_;
  statistics.frames_concealed = concealed_;
  statistics.packets_lost = source_ ? source_->lost() : 0;
  statistics.jitter = source_ ? source_->jitter_time() : base::Duration{};
  statistics.play_delay = waiting_ ? waiting_->delay() : base::Duration{};
  statistics.first_packet = first_packet_;
  statistics.first_audio = first_audio_;
}

}  // namespace causeway::ua
