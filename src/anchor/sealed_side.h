// The side of a call that faces a world which wants its media encrypted (DTLS-SRTP, RFC 5763): what the phone
// sends in the clear is sealed, what comes for it is opened. The certificate is this process's own.
//
// On the media thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ua/dtls.h"
#include "ua/limits.h"
#include "ua/media_thread.h"
#include "ua/offer_answer.h"
#include "ua/srtp.h"

namespace causeway::anchor {

class SealedSide {
 public:
  using Send = std::function<bool(std::string_view packet)>;  // over the path, if there is one
  static base::Result<std::unique_ptr<SealedSide>> make(ua::MediaThread& thread, const ua::RemoteMedia& world,
                                                        Send send);

  // Its keys go on being those that this one has agreed upon.
  bool is_with(const ua::RemoteMedia& world) const { return fingerprint_ == world.fingerprint; }
  // There is a path: whose part it is may begin.
  void start();
  void on_dtls(std::string_view packet);
  bool has_keys() const { return srtp_ != nullptr; }
  // In the clear, until the next call; nothing if nobody vouches for it.
  std::optional<std::string_view> open(std::string_view packet, bool rtcp);
  bool send(std::string_view packet, bool rtcp);

 private:
  SealedSide(ua::MediaThread& thread, std::string fingerprint, Send send)
      : fingerprint_(std::move(fingerprint)), send_(std::move(send)), timer_(thread) {}
  void advance();

  const std::string fingerprint_;
  Send send_;
  std::unique_ptr<ua::DtlsSession> dtls_;
  std::unique_ptr<ua::Srtp> srtp_;
  ua::MediaTimer timer_;
  alignas(8) std::array<char, ua::limits::kMaxPacket + ua::Srtp::kTrailer> room_{};
};

}  // namespace causeway::anchor
