#include "anchor/sealed_side.h"

#include <algorithm>

#include "base/log.h"

namespace causeway::anchor {

base::Result<std::unique_ptr<SealedSide>> SealedSide::make(ua::MediaThread& thread,
                                                           const ua::RemoteMedia& world, Send send) {
  auto identity = ua::DtlsIdentity::of_process();
  if (!identity) return std::unexpected(identity.error());
  std::unique_ptr<SealedSide> side(new SealedSide(thread, world.fingerprint, std::move(send)));
  using Role = ua::DtlsSession::Role;
  auto dtls = ua::DtlsSession::make(
      **identity, ua::is_dtls_client(world) ? Role::client : Role::server, world.fingerprint,
      [of = side.get()](std::string_view packet) { static_cast<void>(of->send_(packet)); });
  if (!dtls) return std::unexpected(dtls.error());
  side->dtls_ = std::move(*dtls);
  return side;
}

void SealedSide::start() {
  dtls_->start(ua::MediaThread::now());
  advance();
}

void SealedSide::on_dtls(std::string_view packet) {
  if (dtls_->on_packet(packet, ua::MediaThread::now())) advance();
}

void SealedSide::advance() {
  using State = ua::DtlsSession::State;
  if (dtls_->state() == State::failed) base::log::debug("anchor", "{}", dtls_->failure());
  if (dtls_->state() == State::done && !srtp_) {
    const auto keys = dtls_->keys();
    auto made = keys ? ua::Srtp::make(*keys) : std::unexpected(keys.error());
    if (made) srtp_ = std::move(*made);
  }
  const base::Instant now = ua::MediaThread::now(), wake = dtls_->next_wake(now);
  if (wake == base::Instant::max()) return timer_.cancel();
  timer_.start(std::max(wake - now, base::Duration::zero()), [this] {
    dtls_->on_time(ua::MediaThread::now());
    advance();
  });
}

std::optional<std::string_view> SealedSide::open(std::string_view packet, bool rtcp) {
  if (!srtp_ || packet.size() > ua::limits::kMaxPacket) return std::nullopt;
  std::ranges::copy(packet, room_.begin());
  std::size_t size = packet.size();
  if (srtp_->unprotect(room_.data(), size, rtcp) != ua::Srtp::Verdict::good) return std::nullopt;
  return std::string_view(room_.data(), size);
}

bool SealedSide::send(std::string_view packet, bool rtcp) {
  if (!srtp_ || packet.size() > ua::limits::kMaxPacket) return false;
  std::ranges::copy(packet, room_.begin());
  const std::size_t size = srtp_->protect(room_.data(), packet.size(), rtcp);
  return size > 0 && send_({room_.data(), size});
}

}  // namespace causeway::anchor
