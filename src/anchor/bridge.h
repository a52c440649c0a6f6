// The media of one call whose phone knows no ICE: packets between the phone (phone_side.h) and an ICE agent
// in its place (ua/ice.h). They pass as they are, or, where the world wants that, sealed on its side
// (sealed_side.h). RTCP shares RTP's way there.
//
// Any thread may call; what is asked for happens on the media thread, in order. After close() nothing comes
// any more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anchor/phone_side.h"
#include "anchor/sealed_side.h"
#include "ua/ice.h"

namespace causeway::anchor {

class Bridge final : public std::enable_shared_from_this<Bridge>, public ua::IceAgent::Events {
 public:
  // All on the media thread.
  struct User {
    // What can be said of the path; nothing if no socket could be opened. Again after restart().
    std::function<void(std::optional<ua::LocalMedia>)> on_gathered;
    // Neither side has sent anything for `silence`, once watch() was called; close() it.
    std::function<void()> on_silence;
  };
  // `thread` and `metrics` are there until it is closed.
  Bridge(ua::MediaThread& thread, MediaMetrics& metrics, User user, base::Duration silence);

  void open(Ports ports, const net::Ip& phone);
  void gather(ua::IceConfig config);
  // With new credentials (RFC 8445 9).
  void restart();
  void set_phone(const ua::RemoteMedia& phone);
  // `fork`: it has answered the same offer as another one before it, and takes its place.
  void set_world(const ua::RemoteMedia& world, bool fork);
  void watch();
  void close();

 private:
  void post(std::function<void(Bridge&)> task);
  void from_phone(std::string_view packet, bool rtcp);
  bool send(std::string_view packet);
  void seal(const ua::RemoteMedia& world);
  void look();

  void on_gathered() override;
  void on_connected(const std::string& pair) override;
  void on_failed(const std::string& why) override;
  void on_packet(std::span<const std::uint8_t> packet) override;
  void on_relay_lost(const ua::RelayServer& relay) override;

  ua::MediaThread& thread_;
  MediaMetrics& metrics_;
  User user_;
  const base::Duration silence_;
  std::unique_ptr<PhoneSide> phone_;
  std::unique_ptr<ua::IceAgent> ice_;
  std::unique_ptr<SealedSide> sealed_;  // null: plain RTP
  std::unique_ptr<ua::MediaTimer> timer_;
  bool rtcp_ = false;     // the world takes it
  bool has_ice_ = false;  // the world asks us, and we it, whether it is still there
  bool sealing_ = false;  // nothing goes in the clear
  bool closed_ = false;
  base::Instant heard_{};  // something came from the world
};

}  // namespace causeway::anchor
