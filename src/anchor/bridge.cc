#include "anchor/bridge.h"

#include "base/encoding.h"
#include "base/log.h"
#include "ua/limits.h"

namespace causeway::anchor {

namespace {

constexpr const char* kLog = "anchor";

}  // namespace

Bridge::Bridge(ua::MediaThread& thread, MediaMetrics& metrics, User user, base::Duration silence)
    : thread_(thread), metrics_(metrics), user_(std::move(user)), silence_(silence) {}

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
    self.ice_ = std::make_unique<ua::IceAgent>(self.thread_, config, self);
    self.ice_->gather();
  });
}

void Bridge::restart() {
  post([](Bridge& self) {
    if (self.ice_) self.ice_->restart();
  });
}

void Bridge::set_phone(const ua::RemoteMedia& phone) {
  post([rtp = phone.rtp, rtcp = phone.rtcp.value_or(net::Address{})](Bridge& self) {
    self.phone_->set_named(rtp, rtcp);
  });
}

void Bridge::set_world(const ua::RemoteMedia& world, bool fork) {
  post([world, fork](Bridge& self) {
    if (!self.ice_) return;
    self.rtcp_ = world.rtcp_mux;
    self.has_ice_ = world.ice.has_value();
    self.seal(world);
    fork ? self.ice_->follow(world) : self.ice_->set_remote(world);
  });
}

void Bridge::seal(const ua::RemoteMedia& world) {
  sealing_ = world.keying == ua::Keying::dtls_srtp;
  if (!sealing_) return sealed_.reset();
  if (sealed_ && sealed_->is_with(world)) return;
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
  });
}

void Bridge::look() {
  const base::Instant now = ua::MediaThread::now();
  if (has_ice_ && ice_ && ice_->is_connected()) heard_ = now;
  const base::Instant last = std::max(heard_, phone_->heard());
  if (now - last >= silence_) return user_.on_silence();
  timer_->start(silence_ - (now - last), [this] { look(); });
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

void Bridge::from_phone(std::string_view packet, bool rtcp) {
  if (rtcp && !rtcp_) return;
  const bool sent = !sealing_ ? send(packet) : sealed_ && sealed_->send(packet, rtcp);
  ++(sent ? metrics_.to_world : metrics_.no_path);
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
  if (sealed_) sealed_->start();
}

// The other side may find a new way, by an offer of its own.
void Bridge::on_failed(const std::string& why) {
  base::log::debug(kLog, "no way for media: {}", why);
  if (ice_ && !ice_->is_gathered()) user_.on_gathered(std::nullopt);
}

void Bridge::on_relay_lost(const ua::RelayServer& relay) {
  base::log::debug(kLog, "relay {} no longer answers", relay.endpoint.text());
}

}  // namespace causeway::anchor
