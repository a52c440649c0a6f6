#include "ua/media_session.h"

#include <fmt/format.h>

#include <utility>

namespace causeway::ua {

namespace {

// New paths looked for in a row without having found one: for half a minute, then nobody listens any more.
constexpr int kTriesInARow = 8;
// A phone of RFC 5245 from which nothing is heard is told so often, and each time after so long, what path
// has been found: baresip sends into its relay what it should send directly until it is told so after it has
// found the path, too, and it takes two seconds for each one that is none.
constexpr int kReminders = 3;
constexpr base::Duration kUntilReminder = std::chrono::seconds(3);

}  // namespace

class MediaSession final : public Session, private Media::Events {
 public:
  MediaSession(MediaSessions& all, std::uint64_t id, MediaConfig config, bool caller, SessionUser& user)
      : all_(all),
        loop_(all.loop_),
        id_(id),
        config_(std::move(config)),
        ice_(all.ice_),
        caller_(caller),
        user_(user) {
    all_.open_.insert(this);
  }
  ~MediaSession() {
    collect();
    all_.open_.erase(this);
  }

  // To the metrics of all: what has been counted here since the last time.
  void collect();

  void offer(Done done) override;
  void answer(std::string_view offer, Done done) override;
  base::Status accept(std::string_view answer) override;
  void withdraw() override { pending_restart_ = false; }
  void hold(bool held) override { held_ = held; }
  void restart(std::vector<RelayServer> relays) override;
  void talk() override;
  void send_dtmf(std::string_view digits) override { media_->send_dtmf(digits); }
  bool held_by_other() const override;
  SessionFigures figures() const override;

 private:
  base::Status open();
  void when_gathered(base::Task then, bool rtcp_port = false);
  LocalMedia local() const;
  void use(RemoteMedia remote);
  void set_direction();
  void lost(const std::string& why);
  void remind();
  base::Error refused(base::Error why);

  // Media::Events
  void on_gathered(LocalMedia found) override;
  void on_connected(std::string pair, LocalMedia local) override;
  void on_failed(std::string why) override;
  void on_dtmf(char digit) override { user_.on_dtmf(digit); }
  void on_first_audio() override {
    reminder_.stop();
    user_.on_first_audio();
  }
  void on_relay_lost(std::string why) override { lost(why); }

  MediaSessions& all_;
  base::Loop& loop_;
  const std::uint64_t id_;
  MediaConfig config_;
  const bool ice_, caller_;
  SessionUser& user_;
  std::unique_ptr<Media> media_;
  std::vector<std::uint64_t> collected_;  // of its counters, in their order
  std::optional<LocalMedia> found_;       // since it was gathered last
  LocalMedia offered_;
  std::optional<RemoteMedia> remote_;
  std::uint32_t version_ = 0;
  std::string pair_;
  base::Task then_;  // when what is being gathered is there
  bool gathering_ = false, held_ = false, talking_ = false;
  bool pending_restart_ = false;  // a new path is being looked for, and the other side will be told
  int restarts_ = 0;              // since there was a path
  std::string early_failure_;     // before anybody talked
  base::Timer again_{loop_.timers(), [this] { lost(early_failure_); }};
  int reminders_left_ = 0;
  base::Timer reminder_{loop_.timers(), [this] { remind(); }};
};

base::Status MediaSession::open() {
  if (media_) return {};
  auto made = Media::make(config_, loop_, all_.thread_, *this);
  if (!made) return std::unexpected(made.error());
  media_ = std::move(*made);
  return {};
}

// `rtcp_port`: Media::gather, if this is the first time.
void MediaSession::when_gathered(base::Task then, bool rtcp_port) {
  if (found_ && !gathering_) return then();
  then_ = std::move(then);
  if (std::exchange(gathering_, true)) return;
  media_->gather(caller_, rtcp_port);
}

void MediaSession::on_gathered(LocalMedia found) {
  gathering_ = false;
  found_ = std::move(found);
  if (found_->default_rtp.port != 0) user_.on_allocated(found_->default_rtp.text());
  if (auto then = std::exchange(then_, nullptr)) then();
}

LocalMedia MediaSession::local() const {
  LocalMedia media = *found_;
  media.direction = held_ ? Direction::sendonly : Direction::sendrecv;
  if (!ice_) media.ice = false, media.candidates.clear();
  return media;
}

void MediaSession::offer(Done done) {
  if (auto opened = open(); !opened) return done(std::unexpected(opened.error()));
  const auto describe = [this, done = std::move(done)] {
    offered_ = local();
    done(make_offer(offered_, id_, ++version_));
  };
  when_gathered(describe, config_.keying == Keying::plain);
}

void MediaSession::answer(std::string_view text, Done done) {
  if (auto opened = open(); !opened) return done(std::unexpected(opened.error()));
  auto mine = found_ ? base::Result<LocalMedia>(local()) : capabilities(config_);
  if (!mine) return done(std::unexpected(mine.error()));
  auto theirs = read_offer(text, *mine);
  if (!theirs) return done(std::unexpected(refused(theirs.error())));
  // RFC 8445 9: other credentials than before are a restart, which wants other credentials back.
  const bool restarts = remote_ && theirs->ice && theirs->ice != remote_->ice;
  if (restarts && !gathering_ && !pending_restart_) {
    gathering_ = true;
    media_->restart_ice();
  }
  pending_restart_ = false;
  const bool has_rtcp = !(ice_ && theirs->ice) || !theirs->rtcp_candidates.empty();
  const bool rtcp_port = !theirs->rtcp_mux && has_rtcp && theirs->keying == Keying::plain;
  when_gathered(
      [this, offer = std::string(text), theirs = std::move(*theirs), done = std::move(done)]() mutable {
        const LocalMedia said = local();
        std::string answer = make_answer(said, theirs, offer, id_, ++version_);
        offered_ = said;
        use(std::move(theirs));
        done(std::move(answer));
      },
      rtcp_port);
}

base::Status MediaSession::accept(std::string_view answer) {
  auto theirs = read_answer(answer, offered_);
  if (!theirs) return std::unexpected(refused(theirs.error()));
  pending_restart_ = false;
  use(std::move(*theirs));
  return {};
}

void MediaSession::use(RemoteMedia remote) {
  if (!ice_) remote.ice.reset(), remote.candidates.clear();
  remote_ = remote;
  set_direction();  // first: where there is a path at once, nothing is said that is not to be
  media_->set_remote(std::move(remote));
}

void MediaSession::set_direction() {
  if (!remote_) return;
  if (talking_) return media_->set_direction(agreed_direction(offered_.direction, remote_->direction));
  media_->set_direction(caller_ ? Direction::recvonly : Direction::inactive);
}

void MediaSession::talk() {
  talking_ = true;
  set_direction();
  if (!early_failure_.empty()) again_.start(base::Duration::zero());
}

void MediaSession::restart(std::vector<RelayServer> relays) {
  if (!media_ || gathering_ || pending_restart_) return;
  pending_restart_ = gathering_ = true;
  media_->restart_ice(std::move(relays));
}

bool MediaSession::held_by_other() const {
  return remote_ && (remote_->direction == Direction::sendonly || remote_->direction == Direction::inactive);
}

void MediaSession::on_connected(std::string pair, LocalMedia local) {
  if (!gathering_) found_ = std::move(local);
  restarts_ = 0;
  early_failure_.clear();
  pair_ = std::move(pair);
  user_.on_media_up(pair_);
  // RFC 5245 8.1.3. Who speaks RFC 8445 goes by the pair that was nominated; phones of RFC 5245 go on sending
  // to what c= and m= have named until they are told.
  if (!caller_ || gathering_ || !remote_ || !remote_->ice || remote_->ice2) return;
  if (found_->default_rtp != offered_.default_rtp) user_.on_reoffer();
  reminders_left_ = kReminders;
  reminder_.start(kUntilReminder);
}

void MediaSession::remind() {
  if (!talking_) return reminder_.start(kUntilReminder);
  if (media_->statistics().packets_received > 0 || gathering_ || pending_restart_) return;
  const Direction agreed = agreed_direction(offered_.direction, remote_->direction);
  if (agreed != Direction::sendrecv && agreed != Direction::recvonly) return;
  user_.on_reoffer();
  if (--reminders_left_ > 0) reminder_.start(kUntilReminder);
}

void MediaSession::on_failed(std::string why) {
  if (!gathering_) return lost(why);
  // Nothing has been found that could be told to the other side.
  gathering_ = pending_restart_ = false;
  then_ = nullptr;
  user_.on_media_failed(why);
}

void MediaSession::lost(const std::string& why) {
  if (gathering_ || pending_restart_) return;  // a new one is being looked for
  if (!talking_) {  // who rings for long, or looks for no path before he answers, is called all the same
    early_failure_ = why;
    return;
  }
  if (++restarts_ > kTriesInARow) return user_.on_media_failed(why);
  user_.on_path_lost(why);
}

SessionFigures MediaSession::figures() const {
  SessionFigures figures;
  if (!media_) return figures;
  const MediaStatistics is = media_->statistics();
  figures.packets_sent = is.packets_sent;
  figures.packets_received = is.packets_received;
  figures.bytes_sent = is.bytes_sent;
  figures.bytes_received = is.bytes_received;
  figures.lost = is.packets_lost > 0 ? static_cast<std::uint64_t>(is.packets_lost) : 0;
  figures.jitter_ms = static_cast<double>(is.jitter.count());
  figures.codec = is.codec;
  figures.pair = is.pair.empty() ? pair_ : is.pair;
  return figures;
}

base::Error MediaSession::refused(base::Error why) {
  ++all_.metrics_.counter("ua_descriptions_refused_total",
                          "offers and answers that cannot be read, or have nothing that both sides speak");
  return why;
}

void MediaSession::collect() {
  if (!media_) return;
  const auto rows = media_->counters();
  collected_.resize(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::uint64_t now = rows[i].counter.value;
    all_.metrics_.counter(rows[i].name, rows[i].help).add(now - std::exchange(collected_[i], now));
  }
}

MediaSessions::MediaSessions(base::Loop& loop, MediaThread& thread, base::Random& random, MediaConfig config,
                             bool ice, base::Metrics& metrics)
    : loop_(loop),
      thread_(thread),
      random_(random),
      config_(std::move(config)),
      ice_(ice),
      metrics_(metrics) {}

MediaSessions::~MediaSessions() = default;

void MediaSessions::collect() {
  for (MediaSession* session : open_) session->collect();
}

std::unique_ptr<Session> MediaSessions::make(SessionUser& user, std::vector<RelayServer> relays,
                                             bool caller) {
  MediaConfig config = config_;
  config.relays = std::move(relays);
  return std::make_unique<MediaSession>(*this, random_.u64() >> 2, std::move(config), caller, user);
}

}  // namespace causeway::ua
