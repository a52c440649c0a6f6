#include "ua/media.h"

#include <algorithm>
#include <mutex>

#include "base/encoding.h"
#include "base/random.h"
#include "ua/codec.h"
#include "ua/dtls.h"

namespace causeway::ua {
namespace {

// Dynamic payload types of telephone-event (RFC 3551 6), one for each clock.
struct EventPayload {
  unsigned rate;
  std::uint8_t number;
};
constexpr EventPayload kEvents[] = {{8000, 101}, {48000, 110}};

}  // namespace

base::Result<LocalMedia> capabilities(const MediaConfig& config) {
  LocalMedia local{.keying = config.keying};
  auto identity = DtlsIdentity::of_process();
  if (!identity) return std::unexpected(identity.error());
  local.fingerprint = (*identity)->fingerprint();
  for (const std::string& name : config.codecs) {
    const CodecKind* kind = find_codec(name);
    if (!kind) return base::fail("expected a codec (opus, PCMA, PCMU), found '{}'", name);
    local.codecs.push_back(
        {kind->number, std::string(kind->name), kind->rate, kind->channels, std::string(kind->fmtp)});
  }
  if (local.codecs.empty()) return base::fail("expected a codec (opus, PCMA, PCMU), found none");
  for (const EventPayload& event : kEvents)
    if (std::ranges::any_of(local.codecs, [&](const Payload& codec) { return codec.rate == event.rate; }))
      local.codecs.push_back({event.number, "telephone-event", event.rate, 1, "0-15"});
  return local;
}

// Shared by the Media and by what is on its way between the threads; its parts are made and destroyed on the
// media thread.
class Media::Core final : public std::enable_shared_from_this<Core>,
                          public IceAgent::Events,
                          public AudioSession::Outside {
 public:
  Core(MediaConfig config, LocalMedia local, base::Loop& loop, MediaThread& thread, Media::Events& events)
      : config_(std::move(config)),
        local_(std::move(local)),
        loop_(loop),
        thread_(thread),
        events_(&events) {}

  // ---- the signalling thread
  void post(std::function<void(Core&)> task) {
    thread_.post([self = shared_from_this(), task = std::move(task)] {
      if (self->session_) task(*self);
    });
  }
  void begin(AudioSetup setup);
  void end();
  MediaStatistics statistics() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }
  std::vector<base::Metrics::Row> counters();

  // ---- the media thread
  void gather(bool controlling, bool rtcp_port);
  void set_remote(RemoteMedia remote);
  void set_direction(Direction direction);
  void restart(std::optional<std::vector<RelayServer>> relays);
  void send_dtmf(std::string_view digits) { session_->send_dtmf(digits); }

 private:
  void on_gathered() override;
  void on_connected(const std::string& pair) override;
  void on_failed(const std::string& why) override;
  void on_packet(std::span<const std::uint8_t> packet) override;
  void on_relay_lost(const RelayServer& relay) override;

  void send(std::string_view packet) override;
  void on_dtmf(char digit) override;
  void on_secured() override;
  void on_first_audio() override;
  void on_ended(std::string why) override;

  void tell(std::function<void(Media::Events&)> what);
  void take_statistics();
  void wait_for_session();  // its next wake

  const MediaConfig config_;
  LocalMedia local_;  // the media thread's
  base::Loop& loop_;
  MediaThread& thread_;
  Media::Events* events_;  // the signalling thread's; null when the Media has gone

  base::Random random_;
  base::Metrics metrics_;
  AudioMetrics audio_metrics_{metrics_};
  PathMetrics path_metrics_{metrics_};
  std::unique_ptr<AudioSession> session_;
  std::unique_ptr<IceAgent> ice_;
  std::unique_ptr<MediaTimer> timer_;
  base::Instant wake_ = base::Instant::max();
  std::string pair_;
  bool has_path_ = false, rtcp_port_ = false;

  mutable std::mutex mutex_;
  MediaStatistics snapshot_;  // guarded by mutex_
};

// ---- the signalling thread

void Media::Core::begin(AudioSetup setup) {
  thread_.post([self = shared_from_this(), moved = std::make_shared<AudioSetup>(std::move(setup))] {
    self->timer_ = std::make_unique<MediaTimer>(self->thread_);
    self->session_ =
        std::make_unique<AudioSession>(std::move(*moved), self->random_, self->audio_metrics_, *self);
  });
}

void Media::Core::end() {
  events_ = nullptr;
  thread_.run([this] {
    session_->stop(MediaThread::now());
    timer_.reset();
    ice_.reset();
    session_.reset();
  });
}

std::vector<base::Metrics::Row> Media::Core::counters() {
  std::vector<base::Metrics::Row> rows;
  thread_.run([&] {
    if (ice_) {
      const IceAgent::Statistics& is = ice_->statistics();
      path_metrics_.no_path.set(is.refused_no_path);
      path_metrics_.rate.set(is.refused_rate);
      path_metrics_.candidates_left_out.set(is.candidates_left_out);
    }
    rows.assign(metrics_.rows().begin(), metrics_.rows().end());
  });
  return rows;
}

// ---- the media thread

void Media::Core::gather(bool controlling, bool rtcp_port) {
  if (ice_) return;
  rtcp_port_ = rtcp_port;
  ice_ = std::make_unique<IceAgent>(thread_,
                                    IceConfig{.relays = config_.relays,
                                              .stun = config_.stun,
                                              .relay_only = config_.relay_only,
                                              .local_addresses = config_.local_addresses,
                                              .controlling = controlling,
                                              .rtcp_port = rtcp_port,
                                              .tunnels = config_.tunnels},
                                    *this);
  ice_->gather();
}

void Media::Core::set_remote(RemoteMedia remote) {
  if (!ice_) return;
  const bool is_reached = !remote.ice || !remote.rtcp_candidates.empty();
  if (!rtcp_port_ || !is_reached || remote.keying != Keying::plain) remote.rtcp.reset();
  path_metrics_.candidates.add(remote.candidates_refused);
  session_->start(remote, MediaThread::now());
  ice_->set_remote(remote);
  wait_for_session();
}

void Media::Core::set_direction(Direction direction) {
  local_.direction = direction;
  session_->set_direction(direction, MediaThread::now());
}

void Media::Core::restart(std::optional<std::vector<RelayServer>> relays) {
  if (!ice_) return;
  relays ? ice_->restart(std::move(*relays)) : ice_->restart();
}

void Media::Core::on_gathered() {
  ice_->describe(local_);
  tell([local = local_](Media::Events& events) { events.on_gathered(local); });
}

void Media::Core::on_connected(const std::string& pair) {
  pair_ = pair;
  has_path_ = true;
  session_->on_path(MediaThread::now());
  wait_for_session();
  if (ice_->is_gathered()) ice_->describe(local_);
  tell([pair, local = local_](Media::Events& events) { events.on_connected(pair, local); });
}

void Media::Core::on_failed(const std::string& why) {
  ++(has_path_ && !ice_->is_connected() ? path_metrics_.lost : path_metrics_.not_found);
  if (!ice_->is_connected()) {
    has_path_ = false;
    session_->on_path_lost(MediaThread::now());
    wait_for_session();
  }
  tell([why](Media::Events& events) { events.on_failed(why); });
}

void Media::Core::on_packet(std::span<const std::uint8_t> packet) {
  session_->on_packet(base::as_text(packet), MediaThread::now());
  wait_for_session();
}

void Media::Core::on_relay_lost(const RelayServer& relay) {
  ++path_metrics_.relays_lost;
  tell([relay = relay.endpoint.text()](Media::Events& events) { events.on_relay_lost(relay); });
}

void Media::Core::send(std::string_view packet) {
  // What cannot be sent is counted by the agent, and missed by the other side.
  if (ice_) static_cast<void>(ice_->send(base::as_bytes(packet)));
}

void Media::Core::on_dtmf(char digit) {
  tell([digit](Media::Events& events) { events.on_dtmf(digit); });
}

void Media::Core::on_secured() {
  tell([](Media::Events& events) { events.on_secured(); });
}

void Media::Core::on_first_audio() {
  tell([](Media::Events& events) { events.on_first_audio(); });
}

void Media::Core::on_ended(std::string why) {
  tell([why = std::move(why)](Media::Events& events) { events.on_failed(why); });
}

void Media::Core::tell(std::function<void(Media::Events&)> what) {
  take_statistics();  // not older than the event
  loop_.post_from_any_thread([self = shared_from_this(), what = std::move(what)] {
    if (self->events_) what(*self->events_);
  });
}

void Media::Core::take_statistics() {
  MediaStatistics now = session_->statistics();
  now.pair = pair_;
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(now);
}

void Media::Core::wait_for_session() {
  const base::Instant wake = session_->next_wake();
  if (wake == wake_ && timer_->is_running()) return;
  wake_ = wake;
  if (wake == base::Instant::max()) return timer_->cancel();
  timer_->start(std::max(wake - MediaThread::now(), base::Duration::zero()), [this] {
    session_->on_time(MediaThread::now());
    wait_for_session();
    take_statistics();
  });
}

// ---- Media

base::Result<std::unique_ptr<Media>> Media::make(MediaConfig config, base::Loop& loop, MediaThread& thread,
                                                 Events& events) {
  auto local = capabilities(config);
  if (!local) return std::unexpected(local.error());
  auto setup = AudioSetup::open(config.play_wav, config.record_wav);
  if (!setup) return std::unexpected(setup.error());
  auto core = std::make_shared<Core>(std::move(config), std::move(*local), loop, thread, events);
  core->begin(std::move(*setup));
  return std::unique_ptr<Media>(new Media(std::move(core)));
}

Media::~Media() { core_->end(); }

void Media::gather(bool controlling, bool rtcp_port) {
  core_->post([=](Core& core) { core.gather(controlling, rtcp_port); });
}
void Media::set_remote(RemoteMedia remote) {
  core_->post([remote = std::move(remote)](Core& core) { core.set_remote(remote); });
}
void Media::set_direction(Direction direction) {
  core_->post([direction](Core& core) { core.set_direction(direction); });
}
void Media::restart_ice() {
  core_->post([](Core& core) { core.restart({}); });
}
void Media::restart_ice(std::vector<RelayServer> relays) {
  core_->post([relays = std::move(relays)](Core& core) { core.restart(relays); });
}
void Media::send_dtmf(std::string_view digits) {
  core_->post([digits = std::string(digits)](Core& core) { core.send_dtmf(digits); });
}
MediaStatistics Media::statistics() const { return core_->statistics(); }
std::vector<base::Metrics::Row> Media::counters() const { return core_->counters(); }

}  // namespace causeway::ua
