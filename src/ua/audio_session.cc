#include "ua/audio_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ua/dtls.h"
#include "ua/limits.h"
#include "ua/rtcp.h"
#include "ua/rtp.h"
#include "ua/rtp_receiver.h"
#include "ua/rtp_sender.h"
#include "ua/srtp.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kFrame = 20ms;
// RFC 3550 6.2: five seconds; 6.3.1: drawn anew each time, so that two sides do not march in step.
constexpr base::Duration kReportInterval = 5s;
// RFC 7022 4.2: a name for the length of a call, of 96 bits.
constexpr std::size_t kCnameLength = 20;
// Of recordings: all that G.711 has, and of Opus what speech needs.
constexpr unsigned kRecordRate = 16000;

bool sends(Direction direction) {
  return direction == Direction::sendrecv || direction == Direction::sendonly;
}
bool receives(Direction direction) {
  return direction == Direction::sendrecv || direction == Direction::recvonly;
}

}  // namespace

struct AudioSession::State {
  State(AudioSetup&& setup, base::Random& random_source, AudioMetrics& counters, Outside& outer)
      : identity(setup.identity),
        random(random_source),
        metrics(counters),
        outside(outer),
        sender(random, std::move(setup.play)),
        receiver(counters, std::move(setup.record)),
        cname(random.token(kCnameLength)) {}

  // ---- what was agreed
  void choose_codec();
  void start_dtls(base::Instant now);
  void run_if_ready(base::Instant now);
  Direction direction() const {
    return agreed_direction(local, remote ? remote->direction : Direction::inactive);
  }
  bool is_secure() const { return remote && remote->keying == Keying::dtls_srtp; }

  // ---- packets
  void send(std::size_t size, bool rtcp);  // what is in out
  void on_rtp(std::string_view packet, base::Instant now);
  void on_rtcp(std::string_view packet, base::Instant now);
  void on_dtls(std::string_view packet, base::Instant now);
  void after_dtls(base::Instant now);
  void on_collision(base::Instant now);
  bool decrypt(std::string_view& packet, bool rtcp);
  void refuse(base::Counter& why) {
    ++why;
    ++statistics.packets_refused;
  }

  // ---- time
  void frame(base::Instant now);
  void send_report(base::Instant now, bool bye);
  void draw_report_time(base::Instant now);
  void end(std::string why);

  std::shared_ptr<const DtlsIdentity> identity;
  base::Random& random;
  AudioMetrics& metrics;
  Outside& outside;
  RtpSender sender;
  RtpReceiver receiver;
  std::string cname;

  std::optional<RemoteMedia> remote;
  Direction local = Direction::sendrecv;
  bool path = false, running = false, ended = false, stopped = false;
  std::unique_ptr<DtlsSession> dtls;
  std::unique_ptr<Srtp> srtp;
  base::Instant next_frame = base::Instant::max(), next_report{}, dtls_wake = base::Instant::max();
  int collisions = 0;
  MediaStatistics statistics;

  alignas(8) std::array<char, limits::kMaxPacket + Srtp::kTrailer> out{};
  alignas(8) std::array<char, limits::kMaxPacket> in{};
};

base::Result<AudioSetup> AudioSetup::open(const std::string& play_wav, const std::string& record_wav) {
  AudioSetup setup;
  auto identity = DtlsIdentity::of_process();
  if (!identity) return std::unexpected(identity.error());
  setup.identity = *identity;
  if (!play_wav.empty()) {
    auto reader = WavReader::open(play_wav);
    if (!reader) return std::unexpected(reader.error());
    setup.play = std::move(*reader);
  }
  if (!record_wav.empty()) {
    auto writer = WavWriter::create(record_wav, kRecordRate);
    if (!writer) return std::unexpected(writer.error());
    setup.record = std::move(*writer);
  }
  return setup;
}

AudioSession::AudioSession(AudioSetup setup, base::Random& random, AudioMetrics& metrics, Outside& outside)
    : state_(std::make_unique<State>(std::move(setup), random, metrics, outside)) {}

AudioSession::~AudioSession() = default;

// ---- what was agreed

void AudioSession::State::choose_codec() {
  const Payload* audio = nullptr;
  const Payload* keys = nullptr;
  for (const Payload& payload : remote->codecs)
    if (!audio && find_codec(payload)) audio = &payload;
  if (!audio) return;
  // Of the audio's clock (RFC 4733 2.1), or else any: some phones know it at 8 kHz alone.
  for (const Payload& payload : remote->codecs)
    if (payload.is_same_codec({.name = "telephone-event", .rate = payload.rate}) &&
        (!keys || payload.rate == audio->rate))
      keys = &payload;
  sender.set_codec(*find_codec(*audio), audio->number, keys ? std::optional(keys->number) : std::nullopt);
  statistics.codec = find_codec(*audio)->name;
}

void AudioSession::State::start_dtls(base::Instant now) {
  srtp.reset();
  running = false;
  statistics.secured = false;
  dtls_wake = base::Instant::max();
  // RFC 5763 5: actpass is answered by active.
  const auto role =
      remote->setup == RemoteMedia::Setup::active ? DtlsSession::Role::server : DtlsSession::Role::client;
  auto session = DtlsSession::make(*identity, role, remote->fingerprint, [this](std::string_view packet) {
    if (path) outside.send(packet);
  });
  if (!session) {
    ++metrics.dtls_failed;
    return end(session.error().message);
  }
  dtls = std::move(*session);
  if (path) dtls->start(now);
  after_dtls(now);
}

void AudioSession::State::run_if_ready(base::Instant now) {
  if (running || !path || !remote || ended || stopped || (is_secure() && !srtp)) return;
  running = true;
  // Time has gone on without a path, and so do timestamps.
  if (next_frame != base::Instant::max())
    sender.leave_out(static_cast<unsigned>(std::max<std::int64_t>((now - next_frame) / kFrame, 0)));
  next_frame = now;
  next_report = now + kReportInterval / 2;  // RFC 3550 6.2: the first after half the interval
}

void AudioSession::start(const RemoteMedia& remote, base::Instant now) {
  State& s = *state_;
  if (s.stopped) return;
  const bool same_keys =
      s.remote && s.remote->keying == remote.keying && s.remote->fingerprint == remote.fingerprint;
  const bool anew = std::exchange(s.ended, false);
  s.remote = remote;
  s.choose_codec();
  s.receiver.set_payloads(remote.codecs);
  if (!s.is_secure()) {
    s.dtls.reset();
    s.srtp.reset();
    s.statistics.secured = false;
  } else if (!same_keys || anew) {
    s.start_dtls(now);
  }
  s.run_if_ready(now);
}

void AudioSession::set_direction(Direction direction, base::Instant) { state_->local = direction; }

void AudioSession::on_path(base::Instant now) {
  State& s = *state_;
  if (s.stopped) return;
  s.path = true;
  if (s.dtls) {
    s.dtls->start(now);
    s.after_dtls(now);
  }
  s.run_if_ready(now);
}

void AudioSession::on_path_lost(base::Instant) {
  state_->path = false;
  state_->running = false;
}

// ---- packets

void AudioSession::State::send(std::size_t size, bool rtcp) {
  if (size == 0 || !path) return;
  if (is_secure()) {
    if (!srtp) return;
    size = srtp->protect(out.data(), size, rtcp);
    if (size == 0) return;
  }
  outside.send({out.data(), size});
}

bool AudioSession::State::decrypt(std::string_view& packet, bool rtcp) {
  if (!is_secure()) return true;
  if (!srtp) {
    refuse(metrics.early);
    return false;
  }
  std::copy(packet.begin(), packet.end(), in.begin());
  std::size_t size = packet.size();
  switch (srtp->unprotect(in.data(), size, rtcp)) {
    case Srtp::Verdict::good:
      packet = {in.data(), size};
      return true;
    case Srtp::Verdict::unauthentic:
      refuse(metrics.unauthentic);
      return false;
    case Srtp::Verdict::replayed:
      refuse(metrics.replayed);
      return false;
    case Srtp::Verdict::too_many_sources:
      refuse(metrics.sources);
      return false;
  }
  return false;
}

void AudioSession::State::on_rtp(std::string_view packet, base::Instant now) {
  if (!decrypt(packet, false)) return;
  const auto rtp = parse_rtp(packet);
  if (!rtp) return refuse(metrics.malformed);
  if (rtp->ssrc == sender.ssrc()) {
    refuse(metrics.ours);
    return on_collision(now);
  }
  if (const auto digit = receiver.on_packet(*rtp, now, statistics.packets_refused)) outside.on_dtmf(*digit);
}

void AudioSession::State::on_rtcp(std::string_view packet, base::Instant now) {
  if (!decrypt(packet, true)) return;
  const auto report = parse_rtcp(packet, sender.ssrc(), receiver.ssrc());
  if (!report) return refuse(metrics.malformed);
  if (report->names_us) {
    refuse(metrics.ours);
    return on_collision(now);
  }
  if (report->info) receiver.on_sender_report(report->sender, *report->info, now);
  if (const auto& about = report->about_us) {
    statistics.lost_there = about->lost;
    // RFC 3550 6.4.1, in 65536ths of a second.
    const auto trip =
        static_cast<std::int32_t>(ntp_middle(ntp_time(now)) - about->last_report - about->delay);
    if (about->last_report != 0 && trip >= 0)
      statistics.round_trip = base::Duration(std::int64_t{trip} * 1000 / 65536);
  }
  if (report->bye) receiver.on_bye(report->sender);
}

void AudioSession::State::on_collision(base::Instant now) {
  // RFC 3550 8.2: the other side has chosen the same number; more than a few times, it is our packets coming
  // back.
  if (collisions >= limits::kMaxCollisions) return;
  ++collisions;
  ++metrics.collisions;
  send_report(now, true);
  sender.change_ssrc();
}

void AudioSession::State::on_dtls(std::string_view packet, base::Instant now) {
  if (!dtls) return refuse(is_secure() || !remote ? metrics.early : metrics.foreign);
  if (!dtls->on_packet(packet, now)) return refuse(metrics.dtls);
  after_dtls(now);
}

void AudioSession::State::after_dtls(base::Instant now) {
  dtls_wake = dtls->next_wake(now);
  if (dtls->state() == DtlsSession::State::closed)
    return end("the other side has closed its DTLS association");
  if (dtls->state() == DtlsSession::State::failed) {
    ++metrics.dtls_failed;
    return end(dtls->failure());
  }
  if (dtls->state() != DtlsSession::State::done || srtp) return;
  const auto keys = dtls->keys();
  auto made = keys ? Srtp::make(*keys) : std::unexpected(keys.error());
  if (!made) return end(made.error().message);
  srtp = std::move(*made);
  statistics.secured = true;
  outside.on_secured();
  run_if_ready(now);
}

void AudioSession::on_packet(std::string_view packet, base::Instant now) {
  State& s = *state_;
  if (s.stopped) return;
  if (packet.size() > limits::kMaxPacket) return s.refuse(s.metrics.too_long);
  const PacketKind kind = kind_of(packet);
  if (kind == PacketKind::dtls) return s.on_dtls(packet, now);
  if (kind != PacketKind::rtp && kind != PacketKind::rtcp) return s.refuse(s.metrics.foreign);
  if (!s.remote) return s.refuse(s.metrics.early);
  kind == PacketKind::rtp ? s.on_rtp(packet, now) : s.on_rtcp(packet, now);
}

// ---- time

void AudioSession::State::draw_report_time(base::Instant now) {
  // RFC 3550 6.3.1: half to one and a half of the interval, made up for what reconsideration would lengthen.
  const auto half = static_cast<std::uint64_t>(kReportInterval.count()) / 2;
  next_report =
      now + base::Duration(static_cast<std::int64_t>((half + random.below(2 * half)) * 1000 / 1218));
}

void AudioSession::State::send_report(base::Instant now, bool bye) {
  // On RTP's port, or on the one that the other side has named for it (offer_answer.h).
  if (!remote || (!remote->rtcp_mux && !remote->rtcp)) return;
  const RtcpToSend report{.ssrc = sender.ssrc(),
                          .info = sender.report(now),
                          .block = receiver.take_report(now),
                          .cname = cname,
                          .bye = bye};
  send(write_rtcp(report, std::span(out).first(limits::kMaxPacket)), true);
}

void AudioSession::State::frame(base::Instant now) {
  const Direction both = direction();
  const bool was_heard = receiver.first_audio().has_value();
  receiver.frame(now, receives(both));
  if (!was_heard && receiver.first_audio()) outside.on_first_audio();
  send(sender.frame(now, sends(both), std::span(out).first(limits::kMaxPacket)), false);
  if (now < next_report) return;
  draw_report_time(now);
  send_report(now, false);
}

void AudioSession::on_time(base::Instant now) {
  State& s = *state_;
  if (s.stopped) return;
  if (s.dtls && now >= s.dtls_wake) {
    s.dtls->on_time(now);
    s.after_dtls(now);
  }
  for (int frames = 0; s.running && s.next_frame <= now; s.next_frame += kFrame) {
    if (++frames <= limits::kMaxFramesAtOnce) {
      s.frame(now);
      continue;
    }
    const auto left_out = static_cast<unsigned>((now - s.next_frame) / kFrame);
    s.sender.leave_out(left_out);
    s.metrics.frames_left_out.add(left_out);
    s.next_frame += left_out * kFrame;
  }
}

base::Instant AudioSession::next_wake() const {
  const State& s = *state_;
  if (s.stopped) return base::Instant::max();
  return std::min(s.running ? s.next_frame : base::Instant::max(),
                  s.dtls ? s.dtls_wake : base::Instant::max());
}

void AudioSession::State::end(std::string why) {
  running = false;
  dtls_wake = base::Instant::max();
  if (ended) return;
  ended = true;
  outside.on_ended(std::move(why));
}

void AudioSession::send_dtmf(std::string_view digits) {
  if (!state_->sender.send_digits(digits)) ++state_->metrics.digits;
}

void AudioSession::stop(base::Instant now) {
  State& s = *state_;
  if (s.stopped) return;
  if (s.running) s.send_report(now, true);
  if (s.dtls) s.dtls->close();
  s.stopped = true;
}

MediaStatistics AudioSession::statistics() const {
  MediaStatistics all = state_->statistics;
  all.packets_sent = state_->sender.packets();
  all.bytes_sent = state_->sender.bytes();
  state_->receiver.fill(all);
  return all;
}

}  // namespace causeway::ua
