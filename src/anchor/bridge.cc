#include "anchor/bridge.h"

#include "base/encoding.h"
#include "base/log.h"
#include "ua/limits.h"

namespace causeway::anchor {

namespace {

constexpr const char* kLog = "anchor";

}  // namespace

bool has_rtcp_port(const ua::RemoteMedia& world) {
  const bool is_named = !world.ice || !world.rtcp_candidates.empty();
  return !world.rtcp_mux && is_named && world.keying == ua::Keying::plain;
}

Bridge::Bridge(ua::MediaThread& thread, MediaMetrics& metrics, User user, Patience patience)
    : thread_(thread), metrics_(metrics), user_(std::move(user)), patience_(patience) {}

void Bridge::post(std::function<void(Bridge&)> task) {
  thread_.post([self = shared_from_this(), task = std::move(task)] {
    if (!self->closed_) task(*self);
  });
}

void Bridge::open(Ports ports, const net::Ip& phone) {
  post([moved = std::make_shared<Ports>(std::move(ports)), phone](Bridge& self) {
    self.phone_ = std::make_unique<PhoneSide>(
        self.thread_, std::move(*moved), phone, self.metrics_,
        [&self](std::string_view packet, bool rtcp) { self.from_phone(packet, rtcp); });
  });
}

void Bridge::gather(ua::IceConfig config) {
  post([config = std::move(config)](Bridge& self) {
    self.rtcp_port_ = config.rtcp_port;
    self.ice_ = std::make_unique<ua::IceAgent>(self.thread_, config, self);
    self.ice_->gather();
  });
}

void Bridge::restart() {
  post([](Bridge& self) {
    self.found_ = self.given_up_ = false;
    if (self.ice_) self.ice_->restart();
  });
}

void Bridge::move_phone(const net::Ip& phone) {
  post([phone](Bridge& self) { self.phone_->move(phone); });
}

void Bridge::set_phone(const ua::RemoteMedia& phone) {
  post([rtp = phone.rtp, rtcp = phone.rtcp.value_or(net::Address{})](Bridge& self) {
    self.phone_->set_named(rtp, rtcp);
  });
}

void Bridge::set_world(const ua::RemoteMedia& world, bool fork) {
  post([world, fork](Bridge& self) {
    if (!self.ice_) return;
    self.rtcp_ = world.rtcp_mux || (self.rtcp_port_ && has_rtcp_port(world) && (world.ice || world.rtcp));
    self.world_ = world;
    self.seal(world);
    if (fork || self.has_searched_in_vain()) return self.search();
    self.searching_since_ = ua::MediaThread::now();
    self.ice_->set_remote(world);
  });
}

void Bridge::seal(const ua::RemoteMedia& world) {
  sealing_ = world.keying == ua::Keying::dtls_srtp;
  if (!sealing_) return sealed_.reset();
  if (sealed_ && sealed_->is_with(world)) return;
  sealed_.reset();
  auto made = SealedSide::make(thread_, world, [this](std::string_view packet) { return send(packet); });
  if (!made) return base::log::warn(kLog, "{}", made.error().message);
  sealed_ = std::move(*made);
  if (ice_->is_connected()) sealed_->start();
}

void Bridge::watch() {
  post([](Bridge& self) {
    self.heard_ = ua::MediaThread::now();
    self.timer_ = std::make_unique<ua::MediaTimer>(self.thread_);
    self.look();
    // Who has answered while it rang may begin his checks only now.
    if (self.has_searched_in_vain()) self.search();
  });
}

void Bridge::look() {
  const base::Instant now = ua::MediaThread::now();
  if (world_ && world_->ice && ice_ && ice_->is_connected()) heard_ = now;
  const base::Instant last = std::max(heard_, phone_->heard());
  if (now - last >= patience_.silence) return user_.on_silence();
  timer_->start(patience_.silence - (now - last), [this] { look(); });
}

// From the beginning, with what both sides have told.
void Bridge::search() {
  found_ = given_up_ = false;
  searching_since_ = ua::MediaThread::now();
  ice_->follow(*world_);
}

void Bridge::close() {
  post([](Bridge& self) {
    self.closed_ = true;
    self.timer_.reset();
    self.sealed_.reset();
    self.ice_.reset();
    self.phone_.reset();
    self.user_ = {};
  });
}

// ---- the media thread

bool Bridge::send(std::string_view packet) { return ice_ && ice_->send(base::as_bytes(packet)); }

bool Bridge::has_way() const {
  return ice_ && ice_->is_connected() && (!sealing_ || (sealed_ && sealed_->has_keys()));
}

void Bridge::from_phone(std::string_view packet, bool rtcp) {
  if (!has_way()) return void(++metrics_.no_path);
  if (rtcp && !rtcp_) return void(++metrics_.no_rtcp);
  const bool sent = sealing_ ? sealed_->send(packet, rtcp) : send(packet);
  ++(sent ? metrics_.to_world : metrics_.not_taken);
}

void Bridge::on_packet(std::span<const std::uint8_t> bytes) {
  heard_ = ua::MediaThread::now();
  std::string_view packet = base::as_text(bytes);
  const ua::PacketKind kind = ua::kind_of(packet);
  if (kind == ua::PacketKind::dtls && sealed_) return sealed_->on_dtls(packet);
  const bool rtcp = kind == ua::PacketKind::rtcp;
  if (sealing_) {
    const auto opened = sealed_ ? sealed_->open(packet, rtcp) : std::nullopt;
    if (!opened) return void(++metrics_.unauthentic);
    packet = *opened;
  }
  if (!is_media(packet)) return void(++metrics_.malformed);
  phone_->send(packet, rtcp);
}

void Bridge::on_gathered() {
  ua::LocalMedia local;
  ice_->describe(local);
  user_.on_gathered(std::move(local));
}

void Bridge::on_connected(const std::string& pair) {
  base::log::debug(kLog, "media goes by {}", pair);
  found_ = true;
  if (world_ && world_->ice) user_.on_way(true);
  if (sealed_) sealed_->start();
}

// The other side may begin late. But a way that was there and is lost (RFC 7675 5.1) takes new credentials:
// an offer of either side brings them.
void Bridge::on_failed(const std::string& why) {
  base::log::debug(kLog, "no way for media: {}", why);
  if (!ice_->is_gathered()) return user_.on_gathered(std::nullopt);
  if (!world_ || !world_->ice) return;
  if (!found_ && ua::MediaThread::now() - searching_since_ < patience_.search) return ice_->follow(*world_);
  given_up_ = true;
  user_.on_way(false);
}

void Bridge::on_relay_lost(const ua::RelayServer& relay) {
  base::log::debug(kLog, "relay {} no longer answers", relay.endpoint.text());
  user_.on_way(false);
}

}  // namespace causeway::anchor
